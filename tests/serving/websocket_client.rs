// A client of dt-serve's WebSocket in Rust, with nothing but its standard library: `poe serving`.
//
//   rustc -O websocket_client.rs && ./websocket_client HOST:PORT SOUND.s16le RATE_HZ OUT.f32
//
// Sends the sound in messages of 20 ms as fast as they go while it reads, and writes every value of
// every frame as float32. Prints one line of JSON: frames, curves, and what the server's bye said.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::{env, fs, thread};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// One message of a client's: final, masked, as RFC 6455 wants it.
fn send(socket: &mut TcpStream, opcode: u8, payload: &[u8]) -> Result<()> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        n if n < 126 => frame.push(0x80 | n as u8),
        n if n < 65536 => {
            frame.push(0x80 | 126);
            frame.extend((n as u16).to_be_bytes());
        }
        n => {
            frame.push(0x80 | 127);
            frame.extend((n as u64).to_be_bytes());
        }
    }
    let mask = [0x12u8, 0x34, 0x56, 0x78];
    frame.extend(mask);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
    socket.write_all(&frame)
}

/// The next message; the server's are never masked, and dt-serve does not cut them.
fn receive(socket: &mut impl Read) -> Result<(u8, Vec<u8>)> {
    let mut head = [0u8; 2];
    socket.read_exact(&mut head)?;
    let mut length = u64::from(head[1] & 0x7f);
    if length == 126 {
        let mut more = [0u8; 2];
        socket.read_exact(&mut more)?;
        length = u64::from(u16::from_be_bytes(more));
    } else if length == 127 {
        let mut more = [0u8; 8];
        socket.read_exact(&mut more)?;
        length = u64::from_be_bytes(more);
    }
    let mut payload = vec![0u8; length as usize];
    socket.read_exact(&mut payload)?;
    Ok((head[0] & 0x0f, payload))
}

fn shake_hands(socket: &mut TcpStream, address: &str) -> Result<()> {
    write!(
        socket,
        "GET /v1/face HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    let mut byte = [0u8; 1];
    while !answer.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    if answer.starts_with(b"HTTP/1.1 101") {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Other, String::from_utf8_lossy(&answer).into_owned()))
}

/// What lies between `"name":` and `end`, in JSON as dt-serve writes it.
fn between<'a>(text: &'a str, name: &str, end: char) -> &'a str {
    let from = text.find(&format!("\"{name}\":")).map_or(text.len(), |at| at + name.len() + 3);
    let rest = text[from..].trim_start();
    &rest[..rest.find(end).unwrap_or(rest.len())]
}

fn main() -> Result<()> {
    let words: Vec<String> = env::args().collect();
    let [_, address, sound, rate, out] = &words[..] else {
        eprintln!("usage: websocket_client HOST:PORT SOUND.s16le RATE_HZ OUT.f32");
        std::process::exit(2);
    };
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    shake_hands(&mut socket, address)?;
    let begin = format!(r#"{{"type": "begin", "sample_rate_hz": {rate}, "frames": "json"}}"#);
    send(&mut socket, TEXT, begin.as_bytes())?;
    let pcm = fs::read(sound)?;
    let piece = 2 * rate.parse::<usize>().expect("RATE_HZ: a whole number") / 50;
    // Two threads write: the sound, and the answers to pings.
    let outgoing = Arc::new(Mutex::new(socket.try_clone()?));
    let writer = outgoing.clone();
    let writing = thread::spawn(move || -> Result<()> {
        for chunk in pcm.chunks(piece) {
            send(&mut writer.lock().unwrap(), BINARY, chunk)?;
        }
        send(&mut writer.lock().unwrap(), TEXT, br#"{"type": "end"}"#)
    });
    let mut values: Vec<u8> = Vec::new();
    let (mut frames, mut curves) = (0u64, 0usize);
    loop {
        let (opcode, payload) = receive(&mut socket)?;
        if opcode == PING {
            send(&mut outgoing.lock().unwrap(), PONG, &payload)?;
        }
        if opcode == CLOSE {
            return Err(Error::new(ErrorKind::Other, "closed before bye"));
        }
        if opcode != TEXT {
            continue;
        }
        let text = String::from_utf8_lossy(&payload);
        match between(&text, "type", ',').trim_matches(|c| c == '"' || c == '}') {
            "schema" => curves = between(&text, "curves", ']').split(',').count(),
            "frame" => {
                let row = between(&text, "curves", ']').trim_start_matches('[');
                for number in row.split(',') {
                    let value: f32 = number.trim().parse().expect("a number");
                    values.extend(value.to_le_bytes());
                }
                frames += 1;
            }
            "bye" => {
                let said = between(&text, "frames", ',');
                println!(r#"{{"frames": {frames}, "curves": {curves}, "bye": {said}}}"#);
                break;
            }
            "error" => return Err(Error::new(ErrorKind::Other, text.into_owned())),
            _ => {}
        }
    }
    writing.join().expect("the writing thread")?;
    fs::write(out, values)
}
