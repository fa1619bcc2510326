/** Limits of the wire format, as Heartbeat 3.0.6 has them unless a comment says otherwise. */

/** Largest encoded message [bytes]; the original's receive buffers (MAXMSG) hold one byte less. */
export const maxMessageBytes = 262_144;

/** Largest message before compression or after decompression [bytes] (MAXUNCOMPRESSED). */
export const maxUncompressedBytes = 2_097_152;

/** Largest payload of one UDP datagram over IPv4 [bytes]: one message is one datagram. */
export const maxDatagramBytes = 65_507;

/** How deep structs may nest: the classic format has 16 depth symbols; we hold netstrings to the same. */
export const maxDepth = 16;

/** Authentication slots are 0 to 15. */
export const authSlotCount = 16;
