// three.js loads a glTF, plays its first animation and says what the morph targets are at each key.
import fs from "node:fs";
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

globalThis.self ??= globalThis;
const data = fs.readFileSync(process.argv[2]);
const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
const gltf = await new GLTFLoader().parseAsync(bytes, "");
const clip = gltf.animations[0];
const mixer = new THREE.AnimationMixer(gltf.scene);
mixer.clipAction(clip).setLoop(THREE.LoopOnce).play();
mixer.clipAction(clip).clampWhenFinished = true;
const meshes = [];
gltf.scene.traverse((one) => one.morphTargetDictionary && meshes.push(one));
const times = Array.from(clip.tracks[0].times);
const names = Object.keys(meshes[0].morphTargetDictionary);
const values = times.map((time) => {
  mixer.setTime(time);
  return meshes.map((mesh) => names.map(
    (name) => mesh.morphTargetInfluences[mesh.morphTargetDictionary[name]],
  ));
});
console.log(JSON.stringify({ clip: clip.name, times, names, values }));
