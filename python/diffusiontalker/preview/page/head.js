// The face: three.js, one glTF, a list of weights. A second one stands beside it when asked for.

import { GLTFLoader, OrbitControls, THREE } from "/three.js";

const FIELD_DEG = 22;
const TURN_RAD = 0.09;
// Where pictures come slower than this, fewer points are drawn: moving smoothly counts for more.
const SLOW_MS = 45;
const COARSEST = 0.4;
const WATCHED = 8;

/** One head in a scene of its own. */
class Face {
  constructor(group) {
    this.scene = new THREE.Scene();
    this.group = group;
    this.scene.add(group);
    this.scene.add(new THREE.HemisphereLight(0xf4f7ff, 0x6b5648, 1.15));
    for (const [colour, strength, place] of [
      [0xfff1e2, 2.3, [0.6, 0.9, 1.4]],
      [0xdfe9ff, 0.7, [-1.2, 0.2, 0.9]],
      [0xcfe0ff, 1.5, [-0.6, 0.8, -1.4]],
    ]) {
      const light = new THREE.DirectionalLight(colour, strength);
      light.position.set(...place);
      this.scene.add(light);
    }
    this.meshes = [];
    group.traverse((o) => {
      if (o.isMesh && o.morphTargetInfluences) this.meshes.push(o);
    });
  }

  /** For each mesh, where each of `names` is among its targets. */
  map(names) {
    this.places = this.meshes.map((mesh) => names.map((name) => mesh.morphTargetDictionary[name] ?? -1));
    this.turn = ["headYaw", "headPitch", "headRoll"].map((name) => names.indexOf(name));
  }

  pose(curves) {
    if (!this.places) return;
    this.meshes.forEach((mesh, m) => {
      const places = this.places[m];
      for (let i = 0; i < places.length; i++) {
        if (places[i] >= 0) mesh.morphTargetInfluences[places[i]] = curves[i];
      }
    });
    const [yaw, pitch, roll] = this.turn.map((i) => (i < 0 ? 0 : curves[i]));
    this.group.rotation.set(pitch, yaw, roll, "YXZ");
  }
}

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.renderer.toneMapping = THREE.ACESFilmicToneMapping;
    this.renderer.toneMappingExposure = 1.05;
    this.renderer.setScissorTest(true);
    this.camera = new THREE.PerspectiveCamera(FIELD_DEG, 1, 0.01, 20);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = true;
    this.controls.dampingFactor = 0.12;
    this.faces = [];
    this.two = false;
    this.pictures = 0;
    this.fineness = 1;
    this.times = [];
    new ResizeObserver(() => this.resize()).observe(canvas);
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  async load(url) {
    const { scene } = await new GLTFLoader().loadAsync(url);
    scene.traverse((o) => {
      if (!o.isMesh) return;
      o.frustumCulled = false;
      o.material.side = THREE.DoubleSide;
    });
    this.faces = [new Face(scene), new Face(scene.clone(true))];
    const box = new THREE.Box3();
    scene.traverse((o) => {
      // The neutral shape: three's own box holds every shape at once.
      if (o.isMesh) box.union(new THREE.Box3().setFromBufferAttribute(o.geometry.attributes.position));
    });
    this.size = box.getSize(new THREE.Vector3());
    this.middle = box.getCenter(new THREE.Vector3());
    this.middle.z = box.max.z - this.size.z * 0.35;
    if (this.names) this.map(this.names);
    this.resize();
    this.front();
  }

  map(names) {
    this.names = names;
    for (const face of this.faces) face.map(names);
  }

  /** The camera before the face, so that all of it is seen. */
  front() {
    if (!this.size) return;
    const tangent = Math.tan(((FIELD_DEG / 2) * Math.PI) / 180);
    const aspect = Math.max(0.2, this.camera.aspect);
    const distance = Math.max(this.size.y / 2 / tangent, this.size.x / 2 / tangent / aspect) * 1.16;
    this.controls.target.copy(this.middle);
    this.camera.position.set(
      this.middle.x + distance * 0.1, this.middle.y + distance * 0.02, this.middle.z + distance,
    );
    this.camera.near = distance / 50;
    this.camera.far = distance * 10;
    this.camera.updateProjectionMatrix();
    this.controls.minDistance = distance * 0.25;
    this.controls.maxDistance = distance * 3;
    this.controls.update();
    this.distance = distance;
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    const ratio = Math.min(devicePixelRatio, 2) * this.fineness;
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(width, height, false);
    const aspect = (this.two ? width / 2 : width) / height;
    const refit = !this.camera.aspect || Math.abs(aspect - this.camera.aspect) > 0.01;
    this.camera.aspect = aspect;
    this.camera.updateProjectionMatrix();
    if (refit) this.front();
  }

  show(two) {
    if (two === this.two) return;
    this.two = two;
    this.resize();
  }

  key(event) {
    const turns = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const turn = turns[event.key];
    const offset = this.camera.position.clone().sub(this.controls.target);
    const place = new THREE.Spherical().setFromVector3(offset);
    if (turn) {
      place.theta += turn[0] * TURN_RAD;
      place.phi = Math.max(0.2, Math.min(Math.PI - 0.2, place.phi + turn[1] * TURN_RAD));
    } else if (event.key === "+" || event.key === "=") place.radius = Math.max(this.controls.minDistance, place.radius * 0.9);
    else if (event.key === "-") place.radius = Math.min(this.controls.maxDistance, place.radius * 1.1);
    else if (event.key === "0" || event.key === "Home") return this.front();
    else return;
    event.preventDefault();
    this.camera.position.copy(this.controls.target).add(new THREE.Vector3().setFromSpherical(place));
    this.controls.update();
  }

  draw() {
    if (!this.faces.length) return;
    this.controls.update();
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const part = this.two ? width / 2 : width;
    for (let i = 0; i < (this.two ? 2 : 1); i++) {
      this.renderer.setViewport(i * part, 0, part, height);
      this.renderer.setScissor(i * part, 0, part, height);
      this.renderer.render(this.faces[i].scene, this.camera);
    }
    this.pictures++;
    this.watch();
  }

  /** Draws coarser on a machine that is too slow for its screen. */
  watch() {
    this.times.push(performance.now());
    if (this.times.length <= WATCHED) return;
    const mean = (this.times[WATCHED] - this.times[0]) / WATCHED;
    this.times = [];
    if (mean > SLOW_MS && mean < 1000 && this.fineness > COARSEST) {
      this.fineness = Math.max(COARSEST, this.fineness * 0.75);
      this.resize();
    }
  }
}
