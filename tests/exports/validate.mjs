// Khronos' validator on each file that is named: its report's messages as JSON.
import fs from "node:fs";
import validator from "gltf-validator";

const found = {};
for (const path of process.argv.slice(2)) {
  const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(path)), {
    maxIssues: 1000,
  });
  found[path] = report.issues.messages.map((m) => ({
    severity: m.severity, code: m.code, message: m.message, pointer: m.pointer,
  }));
}
console.log(JSON.stringify(found));
