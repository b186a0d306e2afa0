//! One stream's access units, told apart: which can be decoded alone, and what each needs in front of it.

use super::nal::{self, Framing, NalKind, SliceStart};
use super::parameter_sets::ParameterSets;
use crate::picture::Codec;
use bytes::{Bytes, BytesMut};

/// Gradual refreshes in a row, with no self-contained picture between them, after which a stream is taken to
/// have none: one alone may stand between two ordinary keyframes.
const GRADUAL_REFRESHES_WITHOUT_KEYFRAME: u32 = 2;

/// A recovery point "at this very picture" (`recovery_frame_cnt` 0, exact match). libavcodec shows a lone
/// I picture that is not an IDR only behind such a message.
const RECOVERY_POINT_SEI: [u8; 5] = [0x06, 0x06, 0x01, 0xc4, 0x80];

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Why a picture can be decoded alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyframeKind {
    /// Instantaneous decoding refresh.
    Idr,
    /// H.265 clean or broken random access: an open group of pictures.
    RandomAccess,
    /// All its slices are intra: an open group of pictures in H.264.
    IntraOnly,
    /// A JPEG picture.
    Jpeg,
}

/// Why an access unit that should have been of use is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// Larger than the configured limit.
    TooLarge,
    /// No NAL units or no JPEG in it, or a slice header that is cut short.
    Malformed,
    /// A keyframe whose SPS, PPS or VPS never came.
    MissingParameterSets,
}

impl Unusable {
    /// The reason's name, as metric label and log field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::MissingParameterSets => "missing_parameter_sets",
        }
    }
}

/// What an access unit turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It can be decoded alone.
    Keyframe {
        /// Annex B with parameter sets in front, or a JPEG.
        data: Bytes,
        /// Why it can be decoded alone.
        kind: KeyframeKind,
    },
    /// It needs earlier pictures.
    Delta,
    /// It needs earlier pictures, and the stream refreshes itself only little by little: it has to be decoded
    /// in full.
    GradualRefresh,
    /// It was of no use.
    Unusable(Unusable),
}

/// Follows one stream from its first access unit.
#[derive(Debug)]
pub struct Assembler {
    codec: Codec,
    max_bytes: usize,
    sets: ParameterSets,
    gradual_refreshes: u32,
}

/// What the NAL units of one access unit say together.
#[derive(Debug, Default)]
struct Contents {
    first_slice: Option<NalKind>,
    all_intra: bool,
    pps_ids: Vec<u32>,
    recovery_distance: Option<u32>,
}

impl Assembler {
    /// For a stream of `codec`; access units above `max_bytes` are refused.
    #[must_use]
    pub fn new(codec: Codec, max_bytes: usize) -> Self {
        Self { codec, max_bytes, sets: ParameterSets::default(), gradual_refreshes: 0 }
    }

    /// The codec it was made for.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Keeps a parameter set that came outside of an access unit, for instance in an SDP.
    pub fn parameter_set(&mut self, nal: &[u8]) {
        self.sets.keep(self.codec, NalKind::of(self.codec, nal), nal);
    }

    /// Takes the next access unit.
    pub fn push(&mut self, framing: Framing, access_unit: &[u8]) -> Outcome {
        if access_unit.len() > self.max_bytes {
            return Outcome::Unusable(Unusable::TooLarge);
        }
        if self.codec == Codec::Jpeg {
            return jpeg(access_unit);
        }
        let Some(nals) = nal::split(framing, access_unit) else {
            return Outcome::Unusable(Unusable::Malformed);
        };
        let Some(contents) = self.read(&nals) else {
            return Outcome::Unusable(Unusable::Malformed);
        };
        match self.keyframe_kind(&contents) {
            Some(kind) => {
                self.gradual_refreshes = 0;
                match self.sets.needed(self.codec, &contents.pps_ids) {
                    Some(sets) => Outcome::Keyframe { data: self.write(&sets, &nals, kind), kind },
                    None => Outcome::Unusable(Unusable::MissingParameterSets),
                }
            }
            None => self.delta(&contents),
        }
    }

    /// The access unit as Annex B with all the sets its slices need in front: what a decoder that is fed every
    /// frame takes. `None` when it holds no picture or a set is missing.
    #[must_use]
    pub fn annex_b(&self, framing: Framing, access_unit: &[u8]) -> Option<Bytes> {
        let nals = nal::split(framing, access_unit)?;
        let mut contents = Contents::default();
        for nal in &nals {
            contents.add(self.codec, NalKind::of(self.codec, nal), nal)?;
        }
        contents.first_slice?;
        let sets = self.sets.needed(self.codec, &contents.pps_ids)?;
        let kept = nals.iter().copied().filter(|nal| {
            let kind = NalKind::of(self.codec, nal);
            kind.is_slice() || kind == NalKind::Sei
        });
        Some(join(sets.iter().map(|set| &set[..]).chain(kept)))
    }

    fn read(&mut self, nals: &[&[u8]]) -> Option<Contents> {
        let mut contents = Contents { all_intra: true, ..Contents::default() };
        for nal in nals {
            let kind = NalKind::of(self.codec, nal);
            self.sets.keep(self.codec, kind, nal);
            contents.add(self.codec, kind, nal)?;
        }
        Some(contents)
    }

    fn keyframe_kind(&self, contents: &Contents) -> Option<KeyframeKind> {
        match contents.first_slice? {
            // The second field of an interlaced IDR picture is not an IDR itself: the first slice decides.
            NalKind::IdrSlice => Some(KeyframeKind::Idr),
            NalKind::RandomAccessSlice => Some(KeyframeKind::RandomAccess),
            // In H.265 a picture of intra slices that is not a random access point still names reference
            // pictures, so only its NAL type counts.
            _ if self.codec == Codec::H264 && contents.all_intra => Some(KeyframeKind::IntraOnly),
            _ => None,
        }
    }

    fn delta(&mut self, contents: &Contents) -> Outcome {
        if contents.recovery_distance.is_some_and(|distance| distance > 0) {
            self.gradual_refreshes += 1;
        }
        if self.gradual_refreshes >= GRADUAL_REFRESHES_WITHOUT_KEYFRAME {
            self.gradual_refreshes = 0;
            return Outcome::GradualRefresh;
        }
        Outcome::Delta
    }

    fn write(&self, sets: &[Bytes], nals: &[&[u8]], kind: KeyframeKind) -> Bytes {
        let recovery = (kind == KeyframeKind::IntraOnly).then_some(&RECOVERY_POINT_SEI[..]);
        let slices = nals.iter().copied().filter(|nal| NalKind::of(self.codec, nal).is_slice());
        join(sets.iter().map(|set| &set[..]).chain(recovery).chain(slices))
    }
}

impl Contents {
    fn add(&mut self, codec: Codec, kind: NalKind, nal: &[u8]) -> Option<()> {
        if kind == NalKind::Sei {
            self.recovery_distance = self.recovery_distance.or_else(|| nal::recovery_distance(codec, nal));
        }
        if kind.is_slice() {
            let start = SliceStart::read(codec, kind, nal)?;
            self.first_slice.get_or_insert(kind);
            self.all_intra &= start.intra;
            if !self.pps_ids.contains(&start.pps_id) {
                self.pps_ids.push(start.pps_id);
            }
        }
        Some(())
    }
}

fn join<'a>(nals: impl Iterator<Item = &'a [u8]> + Clone) -> Bytes {
    let length = nals.clone().map(|nal| START_CODE.len() + nal.len()).sum();
    let mut data = BytesMut::with_capacity(length);
    for nal in nals {
        data.extend_from_slice(&START_CODE);
        data.extend_from_slice(nal);
    }
    data.freeze()
}

fn jpeg(picture: &[u8]) -> Outcome {
    const START_OF_IMAGE: [u8; 3] = [0xff, 0xd8, 0xff];
    if picture.starts_with(&START_OF_IMAGE) {
        Outcome::Keyframe { data: Bytes::copy_from_slice(picture), kind: KeyframeKind::Jpeg }
    } else {
        Outcome::Unusable(Unusable::Malformed)
    }
}
