// Shapes added up on the CPU, each where it moves something: a graphics card, and all the more a
// CPU that stands in for one, would go through every shape at every point.

const NOTHING = 1e-7;
const LEAST_WEIGHT = 1e-4;
// Points at one place are one surface where their normals lie within 45 degrees.
const ALIKE = 0.7;
// Two points are at one place where they lie in one cell; so many to a unit of length.
const CELLS = 1e6;

/** An attribute's numbers, three to a point. */
function floats(attribute) {
  const { array, count } = attribute;
  const plain = array instanceof Float32Array && !attribute.isInterleavedBufferAttribute;
  if (plain && array.length === 3 * count) return array;
  const found = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    found[3 * i] = attribute.getX(i);
    found[3 * i + 1] = attribute.getY(i);
    found[3 * i + 2] = attribute.getZ(i);
  }
  return found;
}

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
      this.rest.set(floats(position), 3 * first);
      this.normals.set(floats(normal), 3 * first);
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
    const names = new Set(this.parts.flatMap(({ mesh }) => Object.keys(mesh.morphTargetDictionary ?? {})));
    const ids = new Uint32Array(this.moves.length);
    const by = new Float32Array(this.rest.length);
    for (const name of names) {
      let found = 0;
      for (const { mesh, first } of this.parts) {
        const place = mesh.morphTargetDictionary?.[name];
        if (place === undefined) continue;
        const moved = floats(mesh.geometry.morphAttributes.position[place]);
        for (let i = 0, at = 0; at < moved.length; i++, at += 3) {
          const x = moved[at], y = moved[at + 1], z = moved[at + 2];
          if (Math.abs(x) + Math.abs(y) + Math.abs(z) < NOTHING) continue;
          by[3 * found] = x;
          by[3 * found + 1] = y;
          by[3 * found + 2] = z;
          ids[found++] = first + i;
          this.moves[first + i] = 1;
        }
      }
      this.byName.set(name, { ids: ids.slice(0, found), by: by.slice(0, 3 * found) });
    }
  }

  /** Points that are one, though parts and seams have one each: their normals are the same. */
  weld() {
    const count = this.moves.length;
    const cells = Int32Array.from(this.rest, (v) => Math.round(v * CELLS));
    this.joined = new Uint32Array(count);
    // Surfaces by place: lists that begin in `table` and go on in `next`, each known by a point.
    let bits = 1;
    while (1 << bits < 2 * count) bits++;
    const table = new Int32Array(1 << bits).fill(-1);
    const next = new Int32Array(count);
    const first = new Uint32Array(count);
    let surfaces = 0;
    for (let i = 0; i < count; i++) {
      const x = cells[3 * i], y = cells[3 * i + 1], z = cells[3 * i + 2];
      const mixed = Math.imul(x, 73856093) ^ Math.imul(y, 19349663) ^ Math.imul(z, 83492791);
      const slot = Math.imul(mixed, 0x9e3779b1) >>> (32 - bits);
      let at = table[slot];
      for (; at >= 0; at = next[at]) {
        const j = first[at];
        const here = cells[3 * j] === x && cells[3 * j + 1] === y && cells[3 * j + 2] === z;
        if (here && this.turned(i, j) > ALIKE) break;
      }
      if (at < 0) {
        at = surfaces++;
        first[at] = i;
        next[at] = table[slot];
        table[slot] = at;
      }
      this.joined[i] = at;
    }
    this.sums = new Float32Array(3 * surfaces);
  }

  turned(i, j) {
    const n = this.normals;
    return n[3 * i] * n[3 * j] + n[3 * i + 1] * n[3 * j + 1] + n[3 * i + 2] * n[3 * j + 2];
  }

  /** Triangles that can move, with their neighbours; points whose normals they change. */
  chooseTriangles() {
    const { joined, moves } = this;
    const restless = new Uint8Array(this.sums.length / 3);
    const corners = this.corners();
    for (let t = 0; t < corners.length; t += 3) {
      const a = corners[t], b = corners[t + 1], c = corners[t + 2];
      if (moves[a] || moves[b] || moves[c]) restless[joined[a]] = restless[joined[b]] = restless[joined[c]] = 1;
    }
    let chosen = 0;
    for (let t = 0; t < corners.length; t += 3) {
      const a = corners[t], b = corners[t + 1], c = corners[t + 2];
      if (!restless[joined[a]] && !restless[joined[b]] && !restless[joined[c]]) continue;
      corners[chosen] = a;
      corners[chosen + 1] = b;
      corners[chosen + 2] = c;
      chosen += 3;
    }
    this.triangles = corners.slice(0, chosen);
    this.turning = Uint32Array.from(moves.keys()).filter((i) => restless[joined[i]]);
  }

  /** The points at the triangles' corners, of all parts. */
  corners() {
    const lists = this.parts.map(({ mesh, position, first }) => {
      const { index } = mesh.geometry;
      return Uint32Array.from({ length: index ? index.count : position.count }, (_, i) => first + (index ? index.array[i] : i));
    });
    const corners = new Uint32Array(lists.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const each of lists) {
      corners.set(each, at);
      at += each.length;
    }
    return corners;
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
