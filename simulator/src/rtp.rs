//! RTP packets of access units (RFC 6184 for H.264, RFC 7798 for H.265), laid out for an interleaved connection.
//!
//! A unit is cut into packets once, with gaps where sequence number, time and source stand; each connection copies
//! the bytes and fills the gaps. So a thousand connections cost a thousand copies, and no parsing.

use crate::access_unit::{AccessUnit, Codec};
use bytes::{BufMut, Bytes, BytesMut};
use citybrain_types::Timestamp;
use std::time::Duration;

/// Largest RTP payload in bytes; fits Ethernet, as a camera's packets do.
const MAX_PAYLOAD: usize = 1_400;
/// `$`, channel and length in front of a packet (RFC 2326 10.12).
const INTERLEAVED_HEADER: usize = 4;
/// Fixed RTP header (RFC 3550 5.1).
const RTP_HEADER: usize = 12;
/// Dynamic payload type announced in the SDP.
pub const PAYLOAD_TYPE: u8 = 96;
/// Clock rate of video, Hz.
const CLOCK_RATE: u128 = 90_000;
/// Seconds from 1900 (NTP) to 1970 (Unix).
const NTP_OFFSET_SECS: u64 = 2_208_988_800;

/// An access unit cut into interleaved RTP packets on channel 0.
#[derive(Debug, Clone)]
pub struct PacketisedUnit {
    bytes: Bytes,
    headers: Vec<usize>,
    payload_bytes: usize,
    /// Time of the picture.
    pub at: Duration,
    /// Decoding may start here.
    pub starts: bool,
}

/// What differs from connection to connection.
#[derive(Debug, Clone)]
pub struct RtpSender {
    sequence: u16,
    base_time: u32,
    source: u32,
    packets: u32,
    octets: u32,
}

impl PacketisedUnit {
    /// Cuts an access unit. A JPEG has no packets here: the raw server does not serve JPEG cameras.
    #[must_use]
    pub fn new(unit: &AccessUnit) -> Self {
        let mut packets = Packets::default();
        let mut nals = unit.nals().peekable();
        while let Some((_, nal)) = nals.next() {
            packets.add_nal(unit.codec, nal, nals.peek().is_none());
        }
        Self {
            bytes: packets.bytes.freeze(),
            headers: packets.headers,
            payload_bytes: packets.payload_bytes,
            at: unit.at,
            starts: unit.starts,
        }
    }

    /// Bytes on the line.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[derive(Default)]
struct Packets {
    bytes: BytesMut,
    headers: Vec<usize>,
    payload_bytes: usize,
}

impl Packets {
    fn add_nal(&mut self, codec: Codec, nal: &[u8], last_of_unit: bool) {
        if nal.len() <= MAX_PAYLOAD {
            self.add_packet(&[], nal, last_of_unit);
            return;
        }
        let header_len = if codec == Codec::H265 { 2 } else { 1 };
        let (header, body) = nal.split_at(header_len);
        let mut chunks = body.chunks(MAX_PAYLOAD - 3).enumerate().peekable();
        while let Some((n, chunk)) = chunks.next() {
            let end = chunks.peek().is_none();
            self.add_packet(&fragment_header(codec, header, n == 0, end), chunk, last_of_unit && end);
        }
    }

    fn add_packet(&mut self, prefix: &[u8], payload: &[u8], marker: bool) {
        let length = RTP_HEADER + prefix.len() + payload.len();
        self.bytes.put_slice(&[b'$', 0]);
        // MAX_PAYLOAD keeps the length far below 64 KiB.
        self.bytes.put_u16(u16::try_from(length).unwrap_or(u16::MAX));
        self.headers.push(self.bytes.len());
        self.bytes.put_slice(&[0x80, u8::from(marker) << 7 | PAYLOAD_TYPE]);
        self.bytes.put_bytes(0, RTP_HEADER - 2);
        self.bytes.put_slice(prefix);
        self.bytes.put_slice(payload);
        self.payload_bytes += prefix.len() + payload.len();
    }
}

/// FU indicator and header: RFC 6184 5.8 (FU-A, type 28), RFC 7798 4.4.3 (type 49).
fn fragment_header(codec: Codec, nal_header: &[u8], start: bool, end: bool) -> Vec<u8> {
    let flags = u8::from(start) << 7 | u8::from(end) << 6;
    match (codec, nal_header) {
        (Codec::H265, [first, second, ..]) => {
            vec![first & 0x81 | 49 << 1, *second, flags | (first >> 1) & 0x3f]
        }
        (_, [first, ..]) => vec![first & 0xe0 | 28, flags | first & 0x1f],
        (_, []) => Vec::new(),
    }
}

impl RtpSender {
    /// A sender whose first numbers are as given; RFC 3550 wants them random.
    #[must_use]
    pub const fn new(sequence: u16, base_time: u32, source: u32) -> Self {
        Self { sequence, base_time, source, packets: 0, octets: 0 }
    }

    /// RTP time of a street time.
    #[must_use]
    pub fn time_of(&self, at: Duration) -> u32 {
        let ticks = at.as_micros() * CLOCK_RATE / 1_000_000;
        self.base_time.wrapping_add(ticks as u32)
    }

    /// The sequence number of the next packet.
    #[must_use]
    pub const fn next_sequence(&self) -> u16 {
        self.sequence
    }

    /// The packets of a unit as they go over this connection, shown at `at`.
    pub fn fill(&mut self, unit: &PacketisedUnit, at: Duration) -> BytesMut {
        let mut bytes = BytesMut::from(&unit.bytes[..]);
        let time = self.time_of(at).to_be_bytes();
        for header in &unit.headers {
            bytes[header + 2..header + 4].copy_from_slice(&self.sequence.to_be_bytes());
            bytes[header + 4..header + 8].copy_from_slice(&time);
            bytes[header + 8..header + 12].copy_from_slice(&self.source.to_be_bytes());
            self.sequence = self.sequence.wrapping_add(1);
        }
        self.packets = self.packets.wrapping_add(unit.headers.len() as u32);
        self.octets = self.octets.wrapping_add(unit.payload_bytes as u32);
        bytes
    }

    /// As [`RtpSender::fill`], without every so many-th packet that this connection was to see.
    pub fn fill_with_gaps(&mut self, unit: &PacketisedUnit, at: Duration, every: u32) -> BytesMut {
        let first = self.packets;
        let whole = self.fill(unit, at);
        let mut bytes = BytesMut::with_capacity(whole.len());
        let starts = unit.headers.iter().map(|header| header - INTERLEAVED_HEADER);
        let ends = starts.clone().skip(1).chain([whole.len()]);
        for ((start, end), number) in starts.zip(ends).zip(1..) {
            if !first.wrapping_add(number).is_multiple_of(every.max(1)) {
                bytes.put_slice(&whole[start..end]);
            }
        }
        bytes
    }

    /// An RTCP sender report (RFC 3550 6.4.1) on channel 1: street time `at` is wall time `wall`.
    #[must_use]
    pub fn report(&self, at: Duration, wall: Timestamp) -> BytesMut {
        let micros = u64::try_from(wall.as_micros()).unwrap_or_default();
        let seconds = (micros / 1_000_000 + NTP_OFFSET_SECS) as u32;
        let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
        let mut bytes = BytesMut::with_capacity(32);
        bytes.put_slice(&[b'$', 1, 0, 28, 0x80, 200, 0, 6]);
        bytes.put_u32(self.source);
        bytes.put_u32(seconds);
        bytes.put_u32(fraction as u32);
        bytes.put_u32(self.time_of(at));
        bytes.put_u32(self.packets);
        bytes.put_u32(self.octets);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_unit::{annex_b, nal_units};

    fn unit(codec: Codec, nals: &[&[u8]]) -> AccessUnit {
        AccessUnit {
            codec,
            at: Duration::from_millis(500),
            starts: true,
            data: annex_b(nals.iter().copied()),
        }
    }

    /// Takes the packets apart again, as a client would.
    fn packets(mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut packets = Vec::new();
        while let [b'$', 0, high, low, rest @ ..] = bytes {
            let (packet, after) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            packets.push(packet);
            bytes = after;
        }
        assert!(bytes.is_empty());
        packets
    }

    #[test]
    fn small_nals_travel_whole_and_the_marker_ends_the_unit() {
        let unit = unit(Codec::H264, &[&[0x67, 1], &[0x68, 2], &[0x65, 3]]);
        let bytes = RtpSender::new(65_535, 0, 7).fill(&PacketisedUnit::new(&unit), unit.at);
        let packets = packets(&bytes);
        let sequences: Vec<u16> = packets.iter().map(|p| u16::from_be_bytes([p[2], p[3]])).collect();
        assert_eq!(sequences, [65_535, 0, 1]);
        assert_eq!(packets.iter().map(|p| p[1] >> 7).collect::<Vec<_>>(), [0, 0, 1]);
        assert_eq!(u32::from_be_bytes(packets[0][4..8].try_into().unwrap()), 45_000);
        assert_eq!(&packets[2][12..], &[0x65, 3]);
    }

    #[test]
    fn a_large_nal_is_cut_and_can_be_put_together_again() {
        for (codec, header) in [(Codec::H264, &[0x65_u8][..]), (Codec::H265, &[0x26, 0x01])] {
            let mut nal = header.to_vec();
            nal.extend((0..5_000).map(|n| (n % 250 + 1) as u8));
            let unit = unit(codec, &[&nal]);
            let bytes = RtpSender::new(1, 0, 7).fill(&PacketisedUnit::new(&unit), unit.at);
            let packets = packets(&bytes);
            assert_eq!(packets.len(), 4);
            let prefix = if codec == Codec::H265 { 3 } else { 2 };
            let flags: Vec<u8> = packets.iter().map(|p| p[RTP_HEADER + prefix - 1] >> 6).collect();
            assert_eq!(flags, [2, 0, 0, 1], "{codec:?}");
            let body: Vec<u8> = packets.iter().flat_map(|p| &p[RTP_HEADER + prefix..]).copied().collect();
            assert_eq!(body, nal[header.len()..]);
            assert_eq!(nal_units(&unit.data).count(), 1);
        }
    }

    #[test]
    fn a_sender_report_ties_rtp_time_to_wall_time() {
        let mut sender = RtpSender::new(1, 1_000, 7);
        let unit = unit(Codec::H264, &[&[0x65, 3, 4]]);
        sender.fill(&PacketisedUnit::new(&unit), unit.at);
        let report = sender.report(Duration::from_secs(1), Timestamp::from_millis(1_500));
        let word = |n: usize| u32::from_be_bytes(report[4 + 4 * n..8 + 4 * n].try_into().unwrap());
        assert_eq!(word(2), 2_208_988_801);
        assert_eq!(word(3), 1 << 31);
        assert_eq!((word(4), word(5), word(6)), (91_000, 1, 3));
    }
}
