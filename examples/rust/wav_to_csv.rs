// A host in Rust, by the C header: speech in a WAV file (16 bits, mono), curves as CSV on standard
// output. No crate is needed.
//
//     rustc -O wav_to_csv.rs -L P/lib -l diffusiontalker -C link-arg=-Wl,-rpath,P/lib
//     ./wav_to_csv P/share/diffusiontalker/default speech.wav > curves.csv
use std::ffi::{c_char, CStr, CString};
use std::ptr::{null, null_mut};

/// What a program needs of dt.h; handles are pointers to what only the library knows.
mod dt {
    use std::ffi::{c_char, c_void};

    #[repr(C)]
    pub struct Error {
        pub code: i32,
        pub text: [c_char; 1024],
    }

    #[repr(C)]
    pub struct Options {
        pub struct_size: u32,
        pub sample_rate_hz: i32,
        pub seed: u64,
        pub identity: *const c_char,
        pub idle: f64,
        pub head: i32,
        pub streams: i32,
        pub threads: i32,
        pub reserved: i32,
        pub seeds: *const u64,
        pub identities: *const *const c_char,
        pub precision: *const c_char,
        pub kernels: *const c_char,
    }

    extern "C" {
        pub fn dt_bundle_open(path: *const c_char, bundle: *mut *mut c_void, error: *mut Error)
            -> i32;
        pub fn dt_bundle_close(bundle: *mut *mut c_void);
        pub fn dt_options_init(options: *mut Options);
        pub fn dt_create(bundle: *const c_void, options: *const Options,
            runtime: *mut *mut c_void, error: *mut Error) -> i32;
        pub fn dt_destroy(runtime: *mut *mut c_void);
        pub fn dt_value_name(runtime: *const c_void, value: i32) -> *const c_char;
        pub fn dt_frames_due(runtime: *const c_void, stream: i32, more: usize, frames: *mut usize,
            error: *mut Error) -> i32;
        pub fn dt_frames_owed(runtime: *const c_void, stream: i32, frames: *mut usize,
            error: *mut Error) -> i32;
        pub fn dt_step(runtime: *mut c_void, samples: *const f32, count: usize, frames: *mut f32,
            capacity: usize, written: *mut usize, error: *mut Error) -> i32;
        pub fn dt_flush(runtime: *mut c_void, frames: *mut f32, capacity: usize,
            written: *mut usize, error: *mut Error) -> i32;
    }
}

const WIDTH: usize = 52;

fn leave(sentence: &str) -> ! {
    eprintln!("wav_to_csv: {sentence}");
    std::process::exit(2);
}

/// Calls a function of the library with a place for its sentence.
fn checked(call: impl FnOnce(*mut dt::Error) -> i32) {
    let mut error = dt::Error { code: 0, text: [0; 1024] };
    if call(&mut error) != 0 {
        leave(&text(error.text.as_ptr()));
    }
}

fn text(chars: *const c_char) -> String {
    unsafe { CStr::from_ptr(chars) }.to_string_lossy().into_owned()
}

/// (rate, samples) of a WAV file.
fn read_wav(path: &str) -> (i32, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| leave(&format!("{path}: {error}")));
    let number = |at: usize, size: usize| {
        bytes[at..at + size].iter().rev().fold(0usize, |n, byte| n << 8 | *byte as usize)
    };
    let (mut at, mut rate) = (12, 0);
    while bytes.len() >= at + 8 && &bytes[8..12] == b"WAVE" {
        let size = number(at + 4, 4).min(bytes.len() - at - 8);
        if &bytes[at..at + 4] == b"fmt " && size >= 16 {
            if number(at + 10, 2) != 1 || number(at + 22, 2) != 16 {
                leave("expected a mono WAV file of 16 bits");
            }
            rate = number(at + 12, 4) as i32;
        } else if &bytes[at..at + 4] == b"data" {
            let samples = bytes[at + 8..at + 8 + size].chunks_exact(2);
            let value = |b: &[u8]| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0;
            return (rate, samples.map(value).collect());
        }
        at += 8 + size + size % 2;
    }
    leave(&format!("{path}: expected a WAV file"));
}

fn print(frames: &[f32]) {
    for frame in frames.chunks_exact(WIDTH) {
        let row: Vec<String> = frame.iter().map(|value| format!("{value:.10}")).collect();
        println!("{}", row.join(","));
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, bundle_path, wav_path] = &arguments[..] else {
        leave("usage: wav_to_csv BUNDLE FILE.wav");
    };
    let (rate, samples) = read_wav(wav_path);
    let (mut bundle, mut runtime) = (null_mut(), null_mut());
    let path = CString::new(bundle_path.as_str()).unwrap();
    let mut frames = Vec::new();
    unsafe {
        checked(|error| dt::dt_bundle_open(path.as_ptr(), &mut bundle, error));
        let mut options = std::mem::zeroed();
        dt::dt_options_init(&mut options);
        options.sample_rate_hz = rate;
        options.identity = null(); // follow the voice
        checked(|error| dt::dt_create(bundle, &options, &mut runtime, error));
        let names: Vec<String> =
            (0..WIDTH as i32).map(|i| text(dt::dt_value_name(runtime, i))).collect();
        println!("{}", names.join(","));

        let mut count = 0;
        for chunk in samples.chunks(1600) {
            checked(|error| dt::dt_frames_due(runtime, 0, chunk.len(), &mut count, error));
            frames.resize(count * WIDTH, 0.0);
            let room = frames.as_mut_ptr();
            checked(|error| {
                dt::dt_step(runtime, chunk.as_ptr(), chunk.len(), room, count, null_mut(), error)
            });
            print(&frames);
        }
        checked(|error| dt::dt_frames_owed(runtime, 0, &mut count, error));
        frames.resize(count * WIDTH, 0.0);
        let room = frames.as_mut_ptr();
        checked(|error| dt::dt_flush(runtime, room, count, null_mut(), error));
        print(&frames);
        dt::dt_destroy(&mut runtime);
        dt::dt_bundle_close(&mut bundle);
    }
}
