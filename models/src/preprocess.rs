//! From an RGB frame of the input's size to the tensor a graph wants.

use crate::manifest::{Color, Dtype, InputSpec, Layout};
use crate::session::Tensor;

/// Packs frames for one input. Its buffers are made once; RGB bytes in NHWC order need none and are passed through.
#[derive(Debug)]
pub(crate) struct Packer {
    /// Position in the RGB pixel of each channel as fed.
    channels: [usize; 3],
    layout: Layout,
    pixels: usize,
    buffer: Buffer,
}

#[derive(Debug)]
enum Buffer {
    PassThrough,
    U8(Vec<u8>),
    /// With the value of each byte for each channel as fed: a look-up in place of three operations a pixel.
    F32(Vec<f32>, Box<[[f32; 256]; 3]>),
}

impl Packer {
    pub(crate) fn new(input: &InputSpec) -> Self {
        let length = input.frame_bytes();
        let buffer = match (input.dtype, input.layout, input.color) {
            (Dtype::U8, Layout::Nhwc, Color::Rgb) => Buffer::PassThrough,
            (Dtype::U8, ..) => Buffer::U8(vec![0; length]),
            (Dtype::F32, ..) => Buffer::F32(vec![0.0; length], Box::new(value_table(input))),
        };
        let channels = match input.color {
            Color::Rgb => [0, 1, 2],
            Color::Bgr => [2, 1, 0],
        };
        Self { channels, layout: input.layout, pixels: length / 3, buffer }
    }

    /// `rgb` is interleaved and of the input's size, which the caller has checked.
    pub(crate) fn pack<'t>(&'t mut self, rgb: &'t [u8]) -> Tensor<'t> {
        let (channels, layout, pixels) = (self.channels, self.layout, self.pixels);
        match &mut self.buffer {
            Buffer::PassThrough => Tensor::U8(rgb),
            Buffer::U8(buffer) => {
                fill(buffer, rgb, channels, layout, pixels, |_, byte| byte);
                Tensor::U8(buffer)
            }
            Buffer::F32(buffer, values) => {
                fill(buffer, rgb, channels, layout, pixels, |channel, byte| {
                    values[channel][usize::from(byte)]
                });
                Tensor::F32(buffer)
            }
        }
    }
}

fn value_table(input: &InputSpec) -> [[f32; 256]; 3] {
    let normalisation = input.normalisation;
    let mut table = [[0.0; 256]; 3];
    for (channel, values) in table.iter_mut().enumerate() {
        for (byte, value) in values.iter_mut().enumerate() {
            let scaled = byte as f32 * normalisation.scale;
            *value = (scaled - normalisation.mean[channel]) / normalisation.std[channel];
        }
    }
    table
}

fn fill<T>(
    buffer: &mut [T],
    rgb: &[u8],
    channels: [usize; 3],
    layout: Layout,
    pixels: usize,
    value: impl Fn(usize, u8) -> T,
) {
    match layout {
        Layout::Nhwc => {
            for (out, pixel) in buffer.chunks_exact_mut(3).zip(rgb.chunks_exact(3)) {
                for (channel, from) in channels.into_iter().enumerate() {
                    out[channel] = value(channel, pixel[from]);
                }
            }
        }
        Layout::Nchw => {
            for (channel, plane) in buffer.chunks_exact_mut(pixels).enumerate() {
                for (out, pixel) in plane.iter_mut().zip(rgb.chunks_exact(3)) {
                    *out = value(channel, pixel[channels[channel]]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Normalisation, Resize};

    fn input(layout: Layout, dtype: Dtype, color: Color) -> InputSpec {
        InputSpec {
            name: "frame".into(),
            width: 2,
            height: 1,
            resize: Resize::Stretch,
            pad: 0,
            color,
            layout,
            dtype,
            normalisation: Normalisation { mean: [1.0, 2.0, 3.0], std: [2.0, 4.0, 8.0], scale: 0.5 },
        }
    }

    const FRAME: [u8; 6] = [10, 20, 30, 40, 50, 60];

    #[test]
    fn rgb_bytes_in_nhwc_order_are_passed_through_without_a_copy() {
        let mut packer = Packer::new(&input(Layout::Nhwc, Dtype::U8, Color::Rgb));
        match packer.pack(&FRAME) {
            Tensor::U8(bytes) => assert!(std::ptr::eq(bytes, &FRAME[..])),
            Tensor::F32(_) => panic!("bytes became floats"),
        }
    }

    #[test]
    fn bytes_are_put_in_the_order_the_graph_wants() {
        let expected: [(Layout, Color, [u8; 6]); 3] = [
            (Layout::Nhwc, Color::Bgr, [30, 20, 10, 60, 50, 40]),
            (Layout::Nchw, Color::Rgb, [10, 40, 20, 50, 30, 60]),
            (Layout::Nchw, Color::Bgr, [30, 60, 20, 50, 10, 40]),
        ];
        for (layout, color, bytes) in expected {
            let mut packer = Packer::new(&input(layout, Dtype::U8, color));
            match packer.pack(&FRAME) {
                Tensor::U8(packed) => assert_eq!(packed, bytes),
                Tensor::F32(_) => panic!("bytes became floats"),
            }
        }
    }

    #[test]
    fn floats_are_normalised_by_the_channel_as_fed() {
        let mut packer = Packer::new(&input(Layout::Nchw, Dtype::F32, Color::Bgr));
        match packer.pack(&FRAME) {
            // Blue first: (30 × 0.5 − 1) / 2 = 7, (60 × 0.5 − 1) / 2 = 14.5; green; red.
            Tensor::F32(packed) => assert_eq!(packed, [7.0, 14.5, 2.0, 5.75, 0.25, 2.125]),
            Tensor::U8(_) => panic!("floats stayed bytes"),
        }
    }
}
