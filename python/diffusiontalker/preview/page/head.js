// The face: three.js, one glTF, a list of weights. A second one stands beside it when asked for.

import { Shapes } from "/page/shapes.js";
import { GLTFLoader, OrbitControls, THREE } from "/three.js";

const FIELD_DEG = 22;
// Seen around what moves, as a share of it, for hair and chin; and how far above its middle.
const AROUND = 1.28;
const RAISED = 0.045;
const TURN_RAD = 0.09;
// Where pictures come slower than this, fewer points are drawn: moving smoothly counts for more.
const SLOW_MS = 45;
const COARSEST = 0.4;
const WATCHED = 8;

/** One head in a scene of its own. */
class Face {
  constructor(group, shapes) {
    this.scene = new THREE.Scene();
    this.group = group;
    this.shapes = shapes;
    this.names = [];
    this.weights = [];
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
    this.meshes = meshesOf(group);
  }

  map(names) {
    this.names = names;
    this.turn = ["headYaw", "headPitch", "headRoll"].map((name) => names.indexOf(name));
  }

  pose(curves) {
    this.weights = this.names.map((name, i) => [name, curves[i]]);
    this.shapes.pose(this.weights);
    this.shapes.write(this.meshes);
    const [yaw, pitch, roll] = this.turn.map((i) => (i < 0 ? 0 : curves[i]));
    this.group.rotation.set(pitch, yaw, roll, "YXZ");
  }
}

function meshesOf(group) {
  const found = [];
  group.traverse((o) => o.isMesh && found.push(o));
  return found;
}

/** Attributes of its own, in floats: they are written anew for each picture. */
function own(mesh) {
  const geometry = new THREE.BufferGeometry();
  const { attributes, index } = mesh.geometry;
  for (const [name, attribute] of Object.entries(attributes)) {
    if (name !== "position" && name !== "normal") geometry.setAttribute(name, attribute);
  }
  for (const name of ["position", "normal"]) {
    const made = new THREE.BufferAttribute(new Float32Array(3 * attributes.position.count), 3);
    made.setUsage(THREE.DynamicDrawUsage);
    geometry.setAttribute(name, made);
  }
  geometry.setIndex(index);
  mesh.geometry = geometry;
  mesh.morphTargetInfluences = mesh.morphTargetDictionary = undefined;
}

/** Whether a CPU stands in for a graphics card. */
function isWeak() {
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (!gl) return true;
  const known = gl.getExtension("WEBGL_debug_renderer_info");
  const name = gl.getParameter(known ? known.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.weak = isWeak();
    this.drawn = null;
    this.renderer = this.begin();
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

  /** The renderer; null where the browser has no WebGL. */
  begin() {
    try {
      const antialias = !this.weak;
      const renderer = new THREE.WebGLRenderer({ canvas: this.canvas, antialias, alpha: true });
      renderer.toneMapping = THREE.ACESFilmicToneMapping;
      renderer.toneMappingExposure = 1.05;
      renderer.setScissorTest(true);
      return renderer;
    } catch {
      return null;
    }
  }

  async load(url) {
    if (!this.renderer) throw new Error("this browser has no WebGL");
    const { scene } = await new GLTFLoader().loadAsync(url);
    const shapes = new Shapes(meshesOf(scene));
    for (const mesh of meshesOf(scene)) {
      mesh.frustumCulled = false;
      mesh.material.side = THREE.DoubleSide;
    }
    const groups = [scene, scene.clone(true)];
    for (const mesh of groups.flatMap(meshesOf)) own(mesh);
    this.faces = groups.map((group) => new Face(group, shapes));
    for (const face of this.faces) shapes.write(face.meshes);
    this.look(shapes);
    if (this.names) this.map(this.names);
    this.resize();
    this.front();
  }

  /** Where the face is: around what moves, so that shoulders or a whole body do not matter. */
  look({ rest, moves }) {
    const box = new THREE.Box3();
    const point = new THREE.Vector3();
    for (let i = 0; i < moves.length; i++) {
      if (moves[i]) box.expandByPoint(point.fromArray(rest, 3 * i));
    }
    if (box.isEmpty()) box.setFromArray(rest);
    this.size = box.getSize(new THREE.Vector3()).multiplyScalar(AROUND);
    this.middle = box.getCenter(new THREE.Vector3());
    this.middle.y += this.size.y * RAISED;
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
    const distance = Math.max(this.size.y / 2 / tangent, this.size.x / 2 / tangent / aspect);
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
    if (!width || !height || !this.renderer) return;
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

  /** Whether a picture can be drawn now: a CPU that draws is given one at a time. */
  get ready() {
    if (!this.faces.length) return false;
    if (!this.drawn) return true;
    const gl = this.renderer.getContext();
    if (gl.getSyncParameter(this.drawn, gl.SYNC_STATUS) !== gl.SIGNALED) return false;
    gl.deleteSync(this.drawn);
    this.drawn = null;
    return true;
  }

  draw() {
    this.controls.update();
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const part = this.two ? width / 2 : width;
    for (let i = 0; i < (this.two ? 2 : 1); i++) {
      this.renderer.setViewport(i * part, 0, part, height);
      this.renderer.setScissor(i * part, 0, part, height);
      this.renderer.render(this.faces[i].scene, this.camera);
    }
    if (this.weak) {
      const gl = this.renderer.getContext();
      this.drawn = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
      gl.flush();
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
