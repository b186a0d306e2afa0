//! libavcodec behind a safe face: the one module of this project with `unsafe`.
//!
//! What makes it sound:
//! - [`Decoder`] and [`Picture`] own their C objects (`NonNull`, freed once in `Drop`) and hand out no pointer.
//! - A packet is copied into a buffer of libavcodec's own, with the padding that its readers ask for.
//! - A frame's planes are handed out as slices only after it was checked that they lie inside the reference
//!   counted buffers of that frame, which live as long as the [`Picture`].
//! - Fields that C declares as `enum` are read as integers: a value outside the enumeration is not undefined.
//! - `AVCodecContext` and `AVFrame` have no thread affinity (with one decoding thread); they may be sent, not shared.
#![allow(unsafe_code, reason = "calls into libavcodec; see the module's documentation")]

use super::MAX_SIDE;
use super::access_unit::{parts_of_keyframe, parts_to_decode};
use super::error::{DecodeError, DecodeFailure};
use super::frame::{Frame, Matrix, Plane, Planes};
use super::hole::has_hole;
use crate::picture::{Codec, Yuv420};
use ffi::AVPixelFormat as Format;
use ffmpeg_sys_next as ffi;
use std::ptr::{self, NonNull};
use std::sync::Once;

/// Damage is an error, not something to paper over; checksums are checked where a stream has them.
const REFUSE_DAMAGE: i32 =
    ffi::AV_EF_EXPLODE | ffi::AV_EF_CRCCHECK | ffi::AV_EF_BITSTREAM | ffi::AV_EF_BUFFER;

/// A decoding context.
#[derive(Debug)]
pub(super) struct Decoder {
    codec: Codec,
    purpose: Purpose,
    context: NonNull<ffi::AVCodecContext>,
}

/// What a context is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// One picture that stands on its own.
    Keyframe,
    /// All access units of one stream, in order.
    Stream,
}

// SAFETY: the context runs no thread of its own (`thread_count` is 1) and nothing else points to it.
unsafe impl Send for Decoder {}

impl Drop for Decoder {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: allocated by `avcodec_alloc_context3`, freed here only.
        unsafe { ffi::avcodec_free_context(&raw mut context) };
    }
}

impl Decoder {
    /// Opens a fresh context, with nothing in it of any other stream.
    pub(super) fn open(codec: Codec, purpose: Purpose) -> Result<Self, DecodeError> {
        static QUIET: Once = Once::new();
        // SAFETY: sets an integer. Failures are reported by the caller with the camera's name.
        QUIET.call_once(|| unsafe { ffi::av_log_set_level(ffi::AV_LOG_QUIET) });
        let id = match codec {
            Codec::H264 => ffi::AVCodecID::AV_CODEC_ID_H264,
            Codec::H265 => ffi::AVCodecID::AV_CODEC_ID_HEVC,
            Codec::Jpeg => ffi::AVCodecID::AV_CODEC_ID_MJPEG,
        };
        let unavailable = |detail: &str| DecodeError::new(codec, DecodeFailure::Unavailable, detail);
        // SAFETY: gives a pointer to a static table entry, or null.
        let decoder = unsafe { ffi::avcodec_find_decoder(id) };
        if decoder.is_null() {
            return Err(unavailable("libavcodec was built without this decoder"));
        }
        // SAFETY: `decoder` is a valid table entry.
        let context = NonNull::new(unsafe { ffi::avcodec_alloc_context3(decoder) });
        let context = context.ok_or_else(|| unavailable("out of memory"))?;
        let this = Self { codec, purpose, context };
        // SAFETY: the context is allocated, not yet opened, and owned by `this`.
        let status = unsafe {
            let fields = context.as_ptr();
            (*fields).thread_count = 1;
            (*fields).flags |= ffi::AV_CODEC_FLAG_LOW_DELAY as i32;
            (*fields).err_recognition = REFUSE_DAMAGE;
            (*fields).max_pixels = i64::from(MAX_SIDE) * i64::from(MAX_SIDE);
            ffi::avcodec_open2(fields, decoder, ptr::null_mut())
        };
        if status < 0 { Err(unavailable("the decoder could not be opened")) } else { Ok(this) }
    }

    /// Puts one access unit in. `number` comes out again with its picture.
    pub(super) fn send(&mut self, access_unit: &[u8], number: i64) -> Result<(), DecodeError> {
        let parts = match self.purpose {
            Purpose::Keyframe => parts_of_keyframe(self.codec, access_unit),
            Purpose::Stream => parts_to_decode(self.codec, access_unit),
        };
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let size = i32::try_from(total).unwrap_or(0);
        if size == 0 {
            return Err(DecodeError::new(self.codec, DecodeFailure::Damaged, "empty or larger than 2 GiB"));
        }
        // SAFETY: `av_new_packet` makes a buffer of `size` bytes plus zeroed padding; the parts are written into it
        // one behind the other and have `size` bytes together; the packet is freed whatever the outcome. The
        // context is open.
        let status = unsafe {
            let mut packet = ffi::av_packet_alloc();
            let mut status = if packet.is_null() { -1 } else { ffi::av_new_packet(packet, size) };
            if status >= 0 {
                let mut at = (*packet).data;
                for part in &parts {
                    ptr::copy_nonoverlapping(part.as_ptr(), at, part.len());
                    at = at.add(part.len());
                }
                (*packet).pts = number;
                status = ffi::avcodec_send_packet(self.context.as_ptr(), packet);
            }
            ffi::av_packet_free(&raw mut packet);
            status
        };
        self.check(status)
    }

    /// Says that nothing more comes, so that a held-back picture is put out.
    pub(super) fn drain(&mut self) -> Result<(), DecodeError> {
        // SAFETY: the context is open; a null packet is the documented end of stream.
        self.check(unsafe { ffi::avcodec_send_packet(self.context.as_ptr(), ptr::null()) })
    }

    /// The next picture with the number it was put in with; `None` when there is none for now.
    pub(super) fn receive(&mut self) -> Option<Result<(i64, Frame), DecodeError>> {
        let out_of_memory = || DecodeError::new(self.codec, DecodeFailure::Unavailable, "out of memory");
        // SAFETY: allocates an empty frame, owned by `picture` from here on.
        let Some(frame) = NonNull::new(unsafe { ffi::av_frame_alloc() }) else {
            return Some(Err(out_of_memory()));
        };
        let mut picture = Picture { frame, layout: Layout::PLACEHOLDER };
        // SAFETY: context and frame are valid.
        let status = unsafe { ffi::avcodec_receive_frame(self.context.as_ptr(), frame.as_ptr()) };
        if status == ffi::AVERROR(ffi::EAGAIN) || status == ffi::AVERROR_EOF {
            return None;
        }
        // SAFETY: the frame is valid; plain integers are read.
        let (number, concealed) = unsafe {
            let fields = frame.as_ptr();
            (
                (*fields).pts,
                (*fields).decode_error_flags != 0 || (*fields).flags & ffi::AV_FRAME_FLAG_CORRUPT != 0,
            )
        };
        Some(self.check(status).and_then(|()| {
            if concealed {
                return Err(DecodeError::new(
                    self.codec,
                    DecodeFailure::Concealed,
                    "parts of the picture are missing",
                ));
            }
            picture.layout = Layout::of(&picture, self.codec)?;
            let frame = match picture.layout.depth {
                8 => Frame::from_libav(picture),
                depth => Frame::from_yuv420(picture.narrowed(depth))?,
            };
            // Only a fresh context is known to paint into zeroed buffers.
            let may_have_holes = self.codec == Codec::H265 && self.purpose == Purpose::Keyframe;
            if may_have_holes && has_hole(&frame.planes()) {
                let detail = "the end or a slice is missing";
                return Err(DecodeError::new(self.codec, DecodeFailure::Incomplete, detail));
            }
            Ok((number, frame))
        }))
    }

    fn check(&self, status: i32) -> Result<(), DecodeError> {
        if status >= 0 {
            return Ok(());
        }
        let reason = match status {
            ffi::AVERROR_INVALIDDATA => DecodeFailure::Damaged,
            ffi::AVERROR_EOF => DecodeFailure::NoPicture,
            _ if status == ffi::AVERROR(ffi::ENOMEM) => DecodeFailure::Unavailable,
            _ if status == ffi::AVERROR(ffi::EINVAL) => DecodeFailure::BadSize,
            ffi::AVERROR_PATCHWELCOME => DecodeFailure::PixelFormat,
            _ => DecodeFailure::Damaged,
        };
        Err(DecodeError::new(self.codec, reason, format!("libavcodec error {status}")))
    }
}

/// A decoded picture in libavcodec's own buffers.
#[derive(Debug)]
pub(super) struct Picture {
    frame: NonNull<ffi::AVFrame>,
    layout: Layout,
}

// SAFETY: the frame is owned by this object alone, and its buffers are reference counted with atomics.
unsafe impl Send for Picture {}

impl Drop for Picture {
    fn drop(&mut self) {
        let mut frame = self.frame.as_ptr();
        // SAFETY: allocated by `av_frame_alloc`, freed here only.
        unsafe { ffi::av_frame_free(&raw mut frame) };
    }
}

/// What a frame says of itself, checked against its buffers.
#[derive(Debug, Clone, Copy)]
struct Layout {
    /// Pointer, bytes from row to row, samples in a row, rows.
    planes: [(NonNull<u8>, usize, u32, u32); 3],
    grey: bool,
    depth: u32,
    full_range: bool,
    matrix: Matrix,
}

impl Layout {
    const PLACEHOLDER: Self = Self {
        planes: [(NonNull::dangling(), 0, 0, 0); 3],
        grey: true,
        depth: 8,
        full_range: false,
        matrix: Matrix::Bt601,
    };

    fn of(picture: &Picture, codec: Codec) -> Result<Self, DecodeError> {
        let frame = picture.frame.as_ptr();
        // SAFETY: the frame is valid; integers are read, the two enumerations through integer pointers.
        let (width, height, format, range, space) = unsafe {
            (
                (*frame).width,
                (*frame).height,
                (*frame).format,
                (&raw const (*frame).color_range).cast::<u32>().read(),
                (&raw const (*frame).colorspace).cast::<u32>().read(),
            )
        };
        let side = |side: i32| u32::try_from(side).ok().filter(|side| (1..=MAX_SIDE).contains(side));
        let (Some(width), Some(height)) = (side(width), side(height)) else {
            return Err(DecodeError::new(codec, DecodeFailure::BadSize, format!("{width}x{height}")));
        };
        let Some(kind) = PixelKind::of(format) else {
            let detail = format!("pixel format {format} of libavutil is not supported");
            return Err(DecodeError::new(codec, DecodeFailure::PixelFormat, detail));
        };
        let chroma = (width.div_ceil(kind.columns), height.div_ceil(kind.rows));
        let mut planes = Self::PLACEHOLDER.planes;
        let count = if kind.grey { 1 } else { 3 };
        for (index, plane) in planes.iter_mut().enumerate().take(count) {
            let (width, height) = if index == 0 { (width, height) } else { chroma };
            let (data, stride) = picture
                .plane_inside_buffers(index, width * kind.depth.div_ceil(8), height)
                .ok_or_else(|| {
                    DecodeError::new(
                        codec,
                        DecodeFailure::PixelFormat,
                        "a plane does not lie in its frame's buffers",
                    )
                })?;
            *plane = (data, stride, width, height);
        }
        let matrix = match space {
            s if s == ffi::AVColorSpace::AVCOL_SPC_BT709 as u32 => Matrix::Bt709,
            s if s == ffi::AVColorSpace::AVCOL_SPC_BT470BG as u32 => Matrix::Bt601,
            s if s == ffi::AVColorSpace::AVCOL_SPC_SMPTE170M as u32 => Matrix::Bt601,
            _ if codec == Codec::Jpeg => Matrix::Bt601,
            _ => Matrix::of_height(height),
        };
        // A JPEG uses the whole range unless it says otherwise (JFIF); video the other way round.
        let full_range = match range {
            r if r == ffi::AVColorRange::AVCOL_RANGE_JPEG as u32 => true,
            r if r == ffi::AVColorRange::AVCOL_RANGE_MPEG as u32 => kind.full_range,
            _ => kind.full_range || codec == Codec::Jpeg,
        };
        Ok(Self { planes, grey: kind.grey, depth: kind.depth, full_range, matrix })
    }
}

struct PixelKind {
    columns: u32,
    rows: u32,
    grey: bool,
    depth: u32,
    full_range: bool,
}

impl PixelKind {
    fn of(format: i32) -> Option<Self> {
        let is = |candidate: Format| candidate as i32 == format;
        let yuv = |columns, rows, full_range| Some(Self { columns, rows, grey: false, depth: 8, full_range });
        if is(Format::AV_PIX_FMT_YUV420P) || is(Format::AV_PIX_FMT_YUVJ420P) {
            yuv(2, 2, is(Format::AV_PIX_FMT_YUVJ420P))
        } else if is(Format::AV_PIX_FMT_YUV422P) || is(Format::AV_PIX_FMT_YUVJ422P) {
            yuv(2, 1, is(Format::AV_PIX_FMT_YUVJ422P))
        } else if is(Format::AV_PIX_FMT_YUV444P) || is(Format::AV_PIX_FMT_YUVJ444P) {
            yuv(1, 1, is(Format::AV_PIX_FMT_YUVJ444P))
        } else if is(Format::AV_PIX_FMT_YUV440P) || is(Format::AV_PIX_FMT_YUVJ440P) {
            yuv(1, 2, is(Format::AV_PIX_FMT_YUVJ440P))
        } else if is(Format::AV_PIX_FMT_GRAY8) {
            Some(Self { columns: 1, rows: 1, grey: true, depth: 8, full_range: false })
        } else if is(Format::AV_PIX_FMT_YUV420P10LE) {
            Some(Self { columns: 2, rows: 2, grey: false, depth: 10, full_range: false })
        } else {
            None
        }
    }
}

impl Picture {
    /// Start and stride of a plane, if all of its rows lie within one of the frame's buffers.
    fn plane_inside_buffers(&self, index: usize, row_bytes: u32, rows: u32) -> Option<(NonNull<u8>, usize)> {
        let frame = self.frame.as_ptr();
        // SAFETY: the frame is valid and `index` is below the arrays' length.
        let (data, stride) = unsafe { ((*frame).data[index], (*frame).linesize[index]) };
        let data = NonNull::new(data)?;
        let stride = usize::try_from(stride).ok().filter(|stride| *stride >= row_bytes as usize)?;
        let start = data.as_ptr() as usize;
        let end = start.checked_add(stride.checked_mul(rows as usize)?)?;
        // SAFETY: each entry is null or a valid reference owned by the frame.
        let inside = |buffer: *mut ffi::AVBufferRef| unsafe {
            !buffer.is_null()
                && (*buffer).data as usize <= start
                && end <= ((*buffer).data as usize).saturating_add((*buffer).size)
        };
        // SAFETY: reads the array of the valid frame.
        let buffers = unsafe { (*frame).buf };
        buffers.into_iter().any(inside).then_some((data, stride))
    }

    fn bytes(&self, plane: usize) -> &[u8] {
        let (data, stride, _, height) = self.layout.planes[plane];
        // SAFETY: `plane_inside_buffers` has checked these bytes against the frame's buffers, which live as
        // long as `self` and are written by nobody: the decoder's context does not reuse a buffer while a
        // reference to it exists.
        unsafe { std::slice::from_raw_parts(data.as_ptr(), stride * height as usize) }
    }

    /// The planes of an 8-bit picture.
    pub(super) fn planes(&self) -> Planes<'_> {
        let plane = |index: usize| {
            let (_, stride, width, height) = self.layout.planes[index];
            Plane { data: self.bytes(index), stride, width, height }
        };
        let Layout { grey, full_range, matrix, .. } = self.layout;
        Planes { luma: plane(0), chroma: (!grey).then(|| [plane(1), plane(2)]), full_range, matrix }
    }

    /// A picture of more than 8 bits a sample, brought to 8.
    fn narrowed(&self, depth: u32) -> Yuv420 {
        let plane = |index: usize| {
            let (_, stride, width, _) = self.layout.planes[index];
            let rows = self.bytes(index).chunks_exact(stride);
            rows.flat_map(|row| row[..width as usize * 2].chunks_exact(2))
                .map(|sample| (u16::from_le_bytes([sample[0], sample[1]]) >> (depth - 8)).min(255) as u8)
                .collect()
        };
        let (_, _, width, height) = self.layout.planes[0];
        Yuv420 { width, height, y: plane(0), u: plane(1), v: plane(2), full_range: self.layout.full_range }
    }
}
