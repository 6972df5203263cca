// Heads that curves move, drawn by three.js: our own, or any glTF with ARKit's names.

import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

const FIELD_DEG = 22;
const TURNS = ["headPitch", "headYaw", "headRoll"];

/** The meshes below `root` that have shapes by ARKit's names, and what moves them. */
export class Shapes {
  #places = [];

  constructor(root, names) {
    root.traverse((mesh) => {
      for (const [name, place] of Object.entries(mesh.morphTargetDictionary ?? {})) {
        const curve = names.indexOf(name);
        if (curve >= 0) this.#places.push([mesh.morphTargetInfluences, place, curve]);
      }
    });
    this.turns = TURNS.map((name) => names.indexOf(name));
    this.root = root;
  }

  pose(curves) {
    for (const [influences, place, curve] of this.#places) influences[place] = curves[curve];
    const [pitch, yaw, roll] = this.turns.map((curve) => (curve < 0 ? 0 : curves[curve]));
    this.root.rotation.set(pitch, yaw, roll, "YXZ");
  }
}

/** Draws the glTF at `url` into a canvas. */
export class HeadView {
  #canvas;
  #renderer;
  #scene = new THREE.Scene();
  #camera = new THREE.PerspectiveCamera(FIELD_DEG, 1, 0.01, 20);
  #shapes;
  pictures = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.#renderer.toneMapping = THREE.ACESFilmicToneMapping;
    this.#renderer.toneMappingExposure = 1.05;
    this.#scene.add(new THREE.HemisphereLight(0xf4f7ff, 0x6b5648, 1.15));
    for (const [colour, strength, place] of [
      [0xfff1e2, 2.3, [0.6, 0.9, 1.4]],
      [0xdfe9ff, 0.7, [-1.2, 0.2, 0.9]],
      [0xcfe0ff, 1.5, [-0.6, 0.8, -1.4]],
    ]) {
      const light = new THREE.DirectionalLight(colour, strength);
      light.position.set(...place);
      this.#scene.add(light);
    }
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  async load(url, names) {
    const { scene } = await new GLTFLoader().loadAsync(url);
    scene.traverse((mesh) => {
      mesh.frustumCulled = false;
      if (mesh.material) mesh.material.side = THREE.DoubleSide;
    });
    this.#scene.add(scene);
    this.#shapes = new Shapes(scene, names);
    const box = new THREE.Box3().setFromObject(scene, true);
    this.#frame(box);
    this.#resize();
  }

  #frame(box) {
    const middle = box.getCenter(new THREE.Vector3());
    const { y: height } = box.getSize(new THREE.Vector3());
    const distance = height / 2 / Math.tan(((FIELD_DEG / 2) * Math.PI) / 180);
    this.#camera.position.set(middle.x + 0.12 * distance, middle.y + 0.02 * distance, middle.z + 1.15 * distance);
    this.#camera.near = distance / 50;
    this.#camera.far = 10 * distance;
    this.#camera.lookAt(middle);
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!width || !height) return;
    this.#renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.#renderer.setSize(width, height, false);
    this.#camera.aspect = width / height;
    this.#camera.updateProjectionMatrix();
  }

  /** Shows the curves; the last ones stay where there are none. */
  draw(curves) {
    if (!this.#shapes) return;
    if (curves) this.#shapes.pose(curves);
    this.#renderer.render(this.#scene, this.#camera);
    this.pictures++;
  }
}
