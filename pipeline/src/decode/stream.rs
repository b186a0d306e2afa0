//! Full decoding of one camera's stream, for cameras whose keyframes cannot be had (intra refresh).

use super::DecodeError;
use super::libav::{Decoder, Purpose};
use crate::picture::{Codec, Yuv420};
use citybrain_types::Timestamp;
use std::collections::VecDeque;

/// A decoder may hold pictures back for reordering; more than this is a stream that never puts any out.
const LONGEST_DELAY: usize = 32;

/// A decoder that lives as long as one camera's stream. Never shared between cameras.
#[derive(Debug)]
pub struct StreamDecoder {
    codec: Codec,
    decoder: Option<Decoder>,
    /// Moments of the pictures inside the decoder, by the number their packet went in with.
    inside: VecDeque<(i64, Timestamp)>,
    next_number: i64,
}

impl StreamDecoder {
    /// A decoder for a stream of that codec; it is opened with the first access unit.
    #[must_use]
    pub const fn new(codec: Codec) -> Self {
        Self { codec, decoder: None, inside: VecDeque::new(), next_number: 0 }
    }

    /// Decodes one access unit; gives the pictures that came out, each with the moment it was taken.
    ///
    /// # Errors
    /// [`DecodeError`] when the unit is damaged; what depends on it may be refused too, until the stream has
    /// refreshed itself. The decoder stays usable.
    pub fn push(
        &mut self,
        access_unit: &[u8],
        captured_at: Timestamp,
    ) -> Result<Vec<(Timestamp, Yuv420)>, DecodeError> {
        let mut pictures = Vec::new();
        self.decode(access_unit, captured_at, |moment, frame| {
            pictures.push((moment, frame.to_yuv420()?));
            Ok(())
        })?;
        Ok(pictures)
    }

    /// Decodes one access unit because later ones depend on it, and copies nothing out.
    ///
    /// # Errors
    /// As [`StreamDecoder::push`].
    pub fn skip(&mut self, access_unit: &[u8], captured_at: Timestamp) -> Result<(), DecodeError> {
        self.decode(access_unit, captured_at, |_, _| Ok(()))
    }

    /// Gives the pictures that are still inside, when nothing more comes.
    ///
    /// # Errors
    /// As [`StreamDecoder::push`].
    pub fn finish(mut self) -> Result<Vec<(Timestamp, Yuv420)>, DecodeError> {
        let mut pictures = Vec::new();
        let Some(mut decoder) = self.decoder.take() else { return Ok(pictures) };
        decoder.drain()?;
        self.receive(&mut decoder, |moment, frame| {
            pictures.push((moment, frame.to_yuv420()?));
            Ok(())
        })?;
        Ok(pictures)
    }

    fn decode(
        &mut self,
        access_unit: &[u8],
        captured_at: Timestamp,
        mut each: impl FnMut(Timestamp, super::Frame) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut decoder = match self.decoder.take() {
            Some(decoder) => decoder,
            None => Decoder::open(self.codec, Purpose::Stream)?,
        };
        let number = self.next_number;
        self.next_number += 1;
        if self.inside.len() >= LONGEST_DELAY {
            self.inside.pop_front();
        }
        self.inside.push_back((number, captured_at));
        let result = decoder.send(access_unit, number);
        self.receive(&mut decoder, &mut each)?;
        self.decoder = Some(decoder);
        result
    }

    fn receive(
        &mut self,
        decoder: &mut Decoder,
        mut each: impl FnMut(Timestamp, super::Frame) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        while let Some(decoded) = decoder.receive() {
            let (number, frame) = decoded?;
            // A frame whose number is not known is not given a guessed moment: it is left out.
            let Some(at) = self.inside.iter().position(|(inside, _)| *inside == number) else { continue };
            if let Some((_, moment)) = self.inside.remove(at) {
                each(moment, frame)?;
            }
        }
        Ok(())
    }
}
