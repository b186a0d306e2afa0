//! The parameter sets of one stream, by id, and which of them a slice needs.

use super::bits::Bits;
use super::nal::NalKind;
use crate::picture::Codec;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Longest parameter set kept; real ones are below 200 bytes.
const MAX_SET_BYTES: usize = 4096;
/// Most sets kept of each sort: the H.264 limit for SPS, and more PPS than any camera was seen to use.
const MAX_SETS: usize = 32;

/// A set and the id of the one it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Set {
    nal: Bytes,
    parent: u32,
}

/// The latest sets of a stream. A later set replaces an earlier one of the same id.
#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    vps: BTreeMap<u32, Set>,
    sps: BTreeMap<u32, Set>,
    pps: BTreeMap<u32, Set>,
}

impl ParameterSets {
    /// Keeps a set; other NAL units and sets that cannot be read or are too many are left alone.
    pub(super) fn keep(&mut self, codec: Codec, kind: NalKind, nal: &[u8]) {
        let ids = match kind {
            NalKind::Vps => vps_id(nal).map(|id| (id, 0)),
            NalKind::Sps => sps_ids(codec, nal),
            NalKind::Pps => pps_ids(codec, nal),
            _ => None,
        };
        let (Some((id, parent)), true) = (ids, nal.len() <= MAX_SET_BYTES) else { return };
        let sets = match kind {
            NalKind::Vps => &mut self.vps,
            NalKind::Sps => &mut self.sps,
            _ => &mut self.pps,
        };
        if sets.len() >= MAX_SETS && !sets.contains_key(&id) {
            return;
        }
        if sets.get(&id).is_none_or(|known| known.nal != nal) {
            sets.insert(id, Set { nal: Bytes::copy_from_slice(nal), parent });
        }
    }

    /// The sets that slices naming these picture parameter sets need, in decoding order; `None` when one is
    /// missing.
    pub(super) fn needed(&self, codec: Codec, pps_ids: &[u32]) -> Option<Vec<Bytes>> {
        let pps: BTreeMap<u32, &Set> =
            pps_ids.iter().map(|id| self.pps.get(id).map(|set| (*id, set))).collect::<Option<_>>()?;
        let sps: BTreeMap<u32, &Set> = pps
            .values()
            .map(|set| self.sps.get(&set.parent).map(|sps| (set.parent, sps)))
            .collect::<Option<_>>()?;
        let vps: BTreeMap<u32, &Set> = match codec {
            Codec::H265 => sps
                .values()
                .map(|set| self.vps.get(&set.parent).map(|vps| (set.parent, vps)))
                .collect::<Option<_>>()?,
            _ => BTreeMap::new(),
        };
        Some(vps.values().chain(sps.values()).chain(pps.values()).map(|set| set.nal.clone()).collect())
    }
}

fn vps_id(nal: &[u8]) -> Option<u32> {
    Bits::new(nal.get(2..)?).unsigned(4)
}

/// `(own id, id of its VPS)`; H.264 has no VPS.
fn sps_ids(codec: Codec, nal: &[u8]) -> Option<(u32, u32)> {
    if codec == Codec::H264 {
        // profile_idc, constraint flags and level_idc stand in front of the id (7.3.2.1.1).
        return Some((Bits::new(nal.get(4..)?).exp_golomb()?, 0));
    }
    let mut bits = Bits::new(nal.get(2..)?);
    let vps_id = bits.unsigned(4)?;
    let sub_layers = bits.unsigned(3)?;
    let _temporal_id_nesting = bits.flag()?;
    skip_profile_tier_level(&mut bits, sub_layers)?;
    Some((bits.exp_golomb()?, vps_id))
}

/// H.265 7.3.3 with `profilePresentFlag` = 1.
fn skip_profile_tier_level(bits: &mut Bits<'_>, max_sub_layers_minus1: u32) -> Option<()> {
    const PROFILE_BITS: u32 = 88;
    const LEVEL_BITS: u32 = 8;
    bits.skip(PROFILE_BITS + LEVEL_BITS)?;
    let present: Vec<(bool, bool)> =
        (0..max_sub_layers_minus1).map(|_| Some((bits.flag()?, bits.flag()?))).collect::<Option<_>>()?;
    if max_sub_layers_minus1 > 0 {
        bits.skip(2 * (8 - max_sub_layers_minus1))?;
    }
    for (profile, level) in present {
        bits.skip(u32::from(profile) * PROFILE_BITS + u32::from(level) * LEVEL_BITS)?;
    }
    Some(())
}

/// `(own id, id of its SPS)`.
fn pps_ids(codec: Codec, nal: &[u8]) -> Option<(u32, u32)> {
    let header = if codec == Codec::H265 { 2 } else { 1 };
    let mut bits = Bits::new(nal.get(header..)?);
    Some((bits.exp_golomb()?, bits.exp_golomb()?))
}
