// three-vrm plays a VRM animation on a VRM and says where its morph targets are at each key.
import fs from "node:fs";
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { VRMLoaderPlugin } from "@pixiv/three-vrm";
import { VRMAnimationLoaderPlugin, createVRMAnimationClip } from "@pixiv/three-vrm-animation";

globalThis.self ??= globalThis;
const load = (path) => {
  const data = fs.readFileSync(path);
  const loader = new GLTFLoader();
  loader.register((parser) => new VRMLoaderPlugin(parser));
  loader.register((parser) => new VRMAnimationLoaderPlugin(parser));
  const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
  return loader.parseAsync(bytes, "");
};
const vrm = (await load(process.argv[2])).userData.vrm;
const animation = (await load(process.argv[3])).userData.vrmAnimations[0];
const clip = createVRMAnimationClip(animation, vrm);
const mixer = new THREE.AnimationMixer(vrm.scene);
mixer.clipAction(clip).setLoop(THREE.LoopOnce).play();
mixer.clipAction(clip).clampWhenFinished = true;
let face;
vrm.scene.traverse((one) => (face ??= one.morphTargetDictionary ? one : undefined));
const names = Object.keys(face.morphTargetDictionary);
const times = Array.from(clip.tracks.find((track) => track.name.endsWith(".weight")).times);
const values = times.map((time) => {
  mixer.setTime(time);
  vrm.update(0);
  return names.map((name) => face.morphTargetInfluences[face.morphTargetDictionary[name]]);
});
console.log(JSON.stringify({ times, names, values, tracks: clip.tracks.length }));
