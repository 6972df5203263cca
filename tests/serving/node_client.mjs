// @grpc/grpc-js against a dt-serve; run by clients.py.
//   node node_client.mjs ADDRESS FILE.wav OUT.f32 DESCRIPTORS
// DESCRIPTORS: a FileDescriptorSet, as protobuf writes it.
import fs from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
const [address, wav, out, descriptors] = process.argv.slice(2);
const definition = loader.loadFileDescriptorSetFromBuffer(fs.readFileSync(descriptors), {
  keepCase: true,
  oneofs: true,
});
const Service = grpc.loadPackageDefinition(definition).audio2face_3d.A2FControllerService;
const path = "/nvidia_ace.services.a2f_controller.v1.A2FControllerService/ProcessAudioStream";
const method = { ...Service.service.ProcessAudioStream, path };
const client = new grpc.Client(address, grpc.credentials.createInsecure());
const call = client.makeBidiStreamRequest(path, method.requestSerialize, method.responseDeserialize);

const bytes = fs.readFileSync(wav);
const rate = bytes.readUInt32LE(24);
const pcm = bytes.subarray(44);
const values = [];
const statuses = [];
let echoed = 0;
call.on("data", (message) => {
  if (message.part === "animation_data") {
    values.push(...message.animation_data.skel_animation.blend_shape_weights[0].values);
    echoed += message.animation_data.audio.audio_buffer.length;
  } else if (message.part === "status") {
    statuses.push([message.status.code ?? 0, message.status.message ?? ""]);
  }
});
call.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
call.on("end", () => {
  fs.writeFileSync(out, Buffer.from(Float32Array.from(values).buffer));
  console.log(JSON.stringify({ statuses, echoed }));
  client.close();
});
call.write({
  audio_stream_header: {
    audio_header: { channel_count: 1, samples_per_second: rate, bits_per_sample: 16 },
  },
});
for (let at = 0; at < pcm.length; at += 1001) {
  call.write({ audio_with_emotion: { audio_buffer: pcm.subarray(at, at + 1001) } });
}
call.write({ end_of_audio: {} });
call.end();
