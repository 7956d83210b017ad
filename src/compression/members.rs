//! gzip (RFC 1952).

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// All members of a gzip stream. Zeros after the last one are padding, anything else is refused (row 111).
pub struct Members<R> {
    state: State<R>,
}

/// The decoder is large beside the rest, and there is one of it a layer.
#[expect(clippy::large_enum_variant, reason = "one value per layer")]
enum State<R> {
    Member(GzDecoder<R>),
    Between(R),
    Done,
}

impl<R: BufRead> Members<R> {
    pub fn new(input: R) -> Self {
        Self { state: State::Member(GzDecoder::new(input)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Ok(0),
                State::Member(mut decoder) => match decoder.read(buffer) {
                    Ok(0) => self.state = State::Between(decoder.into_inner()),
                    result => {
                        self.state = State::Member(decoder);
                        return result;
                    }
                },
                State::Between(mut input) => match input.fill_buf() {
                    Ok([]) => return Ok(0),
                    Ok([0, ..]) => {
                        only_zeros(&mut input)?;
                        return Ok(0);
                    }
                    Ok(_) => self.state = State::Member(GzDecoder::new(input)),
                    Err(error) => {
                        self.state = State::Between(input);
                        return Err(error);
                    }
                },
            }
        }
    }
}

fn only_zeros(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        };
        if buffer.is_empty() {
            return Ok(());
        }
        if buffer.iter().any(|&byte| byte != 0) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "garbage after the last member"));
        }
        let len = buffer.len();
        input.consume(len);
    }
}
