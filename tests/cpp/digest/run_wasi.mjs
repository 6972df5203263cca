// Runs a WebAssembly program that reads files and prints: node run_wasi.mjs PROGRAM [FILE ...]
//
// It may read the files that are named, by absolute paths, and nothing else. The calls of WASI are
// written here, since node:wasi of Node 20.20 ended 17 of 19 such processes: SIGSEGV, or a failed
// check of V8's heap.
import { readFileSync, writeSync } from "node:fs";

const SUCCESS = 0, BAD_DESCRIPTOR = 8, NO_ENTRY = 44, NOT_SUPPORTED = 58;
const DIRECTORY = 3, REGULAR_FILE = 4;
const ROOT = 3, FIRST_FILE = 4;

const [program, ...files] = process.argv.slice(2);
const open = new Map(); // by descriptor: bytes, and how many were read
let next = FIRST_FILE;
let instance;

const view = () => new DataView(instance.exports.memory.buffer);
const bytes = (at, count) => new Uint8Array(instance.exports.memory.buffer, at, count);
const text = (at, count) => new TextDecoder().decode(bytes(at, count));

// Calls `each` with the pieces of memory that a list names, until it takes less than a piece.
function pieces(list, count, each) {
  let total = 0;
  for (let i = 0; i < count; i += 1) {
    const size = view().getUint32(list + 8 * i + 4, true);
    const done = each(view().getUint32(list + 8 * i, true), size);
    total += done;
    if (done < size) break;
  }
  return total;
}

function list(strings, addresses, at) {
  for (const string of strings) {
    view().setUint32(addresses, at, true);
    const encoded = new TextEncoder().encode(`${string}\0`);
    bytes(at, encoded.length).set(encoded);
    addresses += 4;
    at += encoded.length;
  }
  return SUCCESS;
}

function sizes(strings, count, size) {
  view().setUint32(count, strings.length, true);
  view().setUint32(size, strings.reduce((sum, s) => sum + new TextEncoder().encode(s).length + 1, 0), true);
  return SUCCESS;
}

const args = [program, ...files];
const calls = {
  args_get: (addresses, at) => list(args, addresses, at),
  args_sizes_get: (count, size) => sizes(args, count, size),
  environ_get: () => SUCCESS,
  environ_sizes_get: (count, size) => sizes([], count, size),
  fd_prestat_get: (fd, at) => {
    if (fd !== ROOT) return BAD_DESCRIPTOR;
    view().setUint32(at, 0, true); // a folder
    view().setUint32(at + 4, 1, true); // whose name has one byte
    return SUCCESS;
  },
  fd_prestat_dir_name: (fd, at) => {
    bytes(at, 1).set([47]); // "/"
    return SUCCESS;
  },
  fd_fdstat_get: (fd, at) => {
    bytes(at, 24).fill(0);
    view().setUint8(at, fd === ROOT ? DIRECTORY : REGULAR_FILE);
    view().setBigUint64(at + 8, 0xffffffffffffffffn, true); // all rights, also of what it opens
    view().setBigUint64(at + 16, 0xffffffffffffffffn, true);
    return SUCCESS;
  },
  path_open: (fd, _, at, count, _create, _rights, _inherited, _flags, opened) => {
    const path = `/${text(at, count)}`;
    if (!files.includes(path)) return NO_ENTRY;
    open.set(next, { content: readFileSync(path), read: 0 });
    view().setUint32(opened, next, true);
    next += 1;
    return SUCCESS;
  },
  fd_read: (fd, at, count, read) => {
    const file = open.get(fd);
    if (!file) return BAD_DESCRIPTOR;
    const total = pieces(at, count, (to, size) => {
      const part = file.content.subarray(file.read, file.read + size);
      bytes(to, part.length).set(part);
      file.read += part.length;
      return part.length;
    });
    view().setUint32(read, total, true);
    return SUCCESS;
  },
  fd_write: (fd, at, count, written) => {
    view().setUint32(written, pieces(at, count, (from, size) => writeAll(fd, bytes(from, size))), true);
    return SUCCESS;
  },
  clock_time_get: (_, _precision, at) => {
    view().setBigUint64(at, process.hrtime.bigint(), true);
    return SUCCESS;
  },
  fd_close: (fd) => (open.delete(fd) ? SUCCESS : BAD_DESCRIPTOR),
  proc_exit: (code) => process.exit(code),
};

function writeAll(fd, part) {
  for (let done = 0; done < part.length; ) done += writeSync(fd, part, done);
  return part.length;
}

const module = await WebAssembly.compile(readFileSync(program));
const imports = Object.fromEntries(
  WebAssembly.Module.imports(module).map(({ name }) => [name, calls[name] ?? (() => NOT_SUPPORTED)]),
);
instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: imports });
instance.exports._start();
