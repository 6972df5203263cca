// Shapes added up on the CPU, each where it moves something: a graphics card, and all the more a
// CPU that stands in for one, would go through every shape at every point.

const NOTHING = 1e-7;
const LEAST_WEIGHT = 1e-4;
// Points at one place are one surface where their normals lie within 45 degrees.
const ALIKE = 0.7;

/** The points of all meshes of a head, moved by weights, with the normals that follow from them. */
export class Shapes {
  constructor(meshes) {
    this.parts = [];
    let count = 0;
    for (const mesh of meshes) {
      const { position, normal } = mesh.geometry.attributes;
      this.parts.push({ mesh, position, normal, first: count });
      count += position.count;
    }
    this.rest = new Float32Array(3 * count);
    this.normals = new Float32Array(3 * count);
    for (const { position, normal, first } of this.parts) {
      for (let i = 0; i < position.count; i++) {
        const at = 3 * (first + i);
        this.rest.set([position.getX(i), position.getY(i), position.getZ(i)], at);
        this.normals.set([normal.getX(i), normal.getY(i), normal.getZ(i)], at);
      }
    }
    this.points = this.rest.slice();
    this.moves = new Uint8Array(count);
    this.collect();
    this.weld();
    this.chooseTriangles();
  }

  /** name -> {ids, by}: the points that a shape moves, and how far at weight 1. */
  collect() {
    this.byName = new Map();
    const lists = new Map();
    for (const { mesh, first } of this.parts) {
      for (const [name, place] of Object.entries(mesh.morphTargetDictionary ?? {})) {
        const target = mesh.geometry.morphAttributes.position[place];
        if (!lists.has(name)) lists.set(name, { ids: [], by: [] });
        const { ids, by } = lists.get(name);
        for (let i = 0; i < target.count; i++) {
          const [x, y, z] = [target.getX(i), target.getY(i), target.getZ(i)];
          if (Math.abs(x) + Math.abs(y) + Math.abs(z) < NOTHING) continue;
          ids.push(first + i);
          by.push(x, y, z);
          this.moves[first + i] = 1;
        }
      }
    }
    for (const [name, { ids, by }] of lists) {
      this.byName.set(name, { ids: new Uint32Array(ids), by: new Float32Array(by) });
    }
  }

  /** Points that are one, though parts and seams have one each: their normals are the same. */
  weld() {
    const at = new Map();
    const count = this.moves.length;
    this.joined = new Uint32Array(count);
    let surfaces = 0;
    const first = [];
    for (let i = 0; i < count; i++) {
      const key = `${this.rest[3 * i].toFixed(6)} ${this.rest[3 * i + 1].toFixed(6)} ${this.rest[3 * i + 2].toFixed(6)}`;
      const there = at.get(key) ?? [];
      const alike = there.find((j) => this.turned(i, first[j]) > ALIKE);
      if (alike === undefined) {
        at.set(key, [...there, surfaces]);
        first.push(i);
        this.joined[i] = surfaces++;
      } else this.joined[i] = alike;
    }
    this.sums = new Float32Array(3 * surfaces);
  }

  turned(i, j) {
    const n = this.normals;
    return n[3 * i] * n[3 * j] + n[3 * i + 1] * n[3 * j + 1] + n[3 * i + 2] * n[3 * j + 2];
  }

  /** Triangles that can move, with their neighbours; points whose normals they change. */
  chooseTriangles() {
    const restless = new Uint8Array(this.sums.length / 3);
    const corners = [];
    for (const { mesh, first } of this.parts) {
      const { index, attributes } = mesh.geometry;
      const length = index ? index.count : attributes.position.count;
      for (let i = 0; i < length; i++) corners.push(first + (index ? index.getX(i) : i));
    }
    for (let t = 0; t < corners.length; t += 3) {
      if (this.moves[corners[t]] || this.moves[corners[t + 1]] || this.moves[corners[t + 2]]) {
        for (let k = 0; k < 3; k++) restless[this.joined[corners[t + k]]] = 1;
      }
    }
    const chosen = [];
    for (let t = 0; t < corners.length; t += 3) {
      if ([0, 1, 2].some((k) => restless[this.joined[corners[t + k]]])) chosen.push(...corners.slice(t, t + 3));
    }
    this.triangles = new Uint32Array(chosen);
    this.turning = [];
    for (let i = 0; i < this.moves.length; i++) if (restless[this.joined[i]]) this.turning.push(i);
    this.turning = new Uint32Array(this.turning);
  }

  /** Moves the points by `weights` (name -> number, anything iterable of pairs). */
  pose(weights) {
    const { points, rest } = this;
    points.set(rest);
    for (const [name, weight] of weights) {
      const shape = this.byName.get(name);
      if (!shape || Math.abs(weight) < LEAST_WEIGHT) continue;
      const { ids, by } = shape;
      for (let k = 0, d = 0; k < ids.length; k++, d += 3) {
        const at = 3 * ids[k];
        points[at] += weight * by[d];
        points[at + 1] += weight * by[d + 1];
        points[at + 2] += weight * by[d + 2];
      }
    }
    this.turn();
  }

  /** The normals of the points as they are now: the mean of their triangles', by area. */
  turn() {
    const { points, sums, triangles, joined, normals, turning } = this;
    sums.fill(0);
    for (let t = 0; t < triangles.length; t += 3) {
      const a = 3 * triangles[t], b = 3 * triangles[t + 1], c = 3 * triangles[t + 2];
      const ux = points[b] - points[a], uy = points[b + 1] - points[a + 1], uz = points[b + 2] - points[a + 2];
      const vx = points[c] - points[a], vy = points[c + 1] - points[a + 1], vz = points[c + 2] - points[a + 2];
      const x = uy * vz - uz * vy, y = uz * vx - ux * vz, z = ux * vy - uy * vx;
      for (let k = 0; k < 3; k++) {
        const s = 3 * joined[triangles[t + k]];
        sums[s] += x;
        sums[s + 1] += y;
        sums[s + 2] += z;
      }
    }
    for (let k = 0; k < turning.length; k++) {
      const at = 3 * turning[k], s = 3 * joined[turning[k]];
      const length = Math.hypot(sums[s], sums[s + 1], sums[s + 2]);
      if (length === 0) continue;
      normals[at] = sums[s] / length;
      normals[at + 1] = sums[s + 1] / length;
      normals[at + 2] = sums[s + 2] / length;
    }
  }

  /** Gives meshes that have the same parts as those it was made of what they show. */
  write(meshes) {
    this.parts.forEach(({ first, position }, n) => {
      const { attributes } = meshes[n].geometry;
      const end = first + position.count;
      attributes.position.array.set(this.points.subarray(3 * first, 3 * end));
      attributes.normal.array.set(this.normals.subarray(3 * first, 3 * end));
      attributes.position.needsUpdate = attributes.normal.needsUpdate = true;
    });
  }
}
