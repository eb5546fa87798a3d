/* Bytes of a file as UTF-8 text: gzip opened, encodings understood.  Layer aggregate; pure but for its reader.
 *
 * UTF-8 and UTF-16 (either order, with a byte order mark or by their pattern of
 * zeros) are recognised; every byte that is not part of valid UTF-8 is read as
 * Windows-1252, whose printable half is Latin-1: so a Latin-1 file needs no
 * guess, and one stray byte in a UTF-8 file spoils nothing.  One pass, constant
 * memory. */
#pragma once
#include "base/str.h"

/* Gives the next bytes, at most cap; *ret 0 is the end. */
typedef bool decode_read_fn(void *arg, void *data, size_t cap, size_t *ret, struct su_err *err);

enum decode_encoding { DECODE_UTF8, DECODE_LATIN1, DECODE_UTF16LE, DECODE_UTF16BE, DECODE_ENCODING_COUNT };
const char *decode_encoding_name(enum decode_encoding encoding);

struct decoder;
struct decode_limits {
    uint64_t open_max;          /* bytes after gzip; 0: 16 GiB */
    uint32_t ratio_max;         /* opened / packed, past the first 64 MiB; 0: 200 */
};

struct decoder *decoder_new(decode_read_fn *read, void *arg, const struct decode_limits *limits);
void decoder_free(struct decoder *decoder);

/* The next text, at most cap bytes (cap ≥ 16), never a part of a character; *ret 0 is the end.  SU_LIMIT when
 * gzip opens to too much, SU_INVALID when it is damaged: what came before stays good. */
bool decoder_read(struct decoder *decoder, char *text, size_t cap, size_t *ret, struct su_err *err);

/* What was seen so far. */
bool decoder_is_gzip(const struct decoder *decoder);
bool decoder_is_binary(const struct decoder *decoder);      /* zero bytes in the beginning */
enum decode_encoding decoder_encoding(const struct decoder *decoder);
uint64_t decoder_stray_bytes(const struct decoder *decoder); /* read as Windows-1252 in a file that has UTF-8 too */

/* Bytes that are one or more gzip streams, as they are, to the end of ret.  SU_LIMIT past `max` opened bytes, SU_INVALID
 * when damaged or not gzip. */
bool decode_gzip(struct su_str packed, size_t max, struct su_buf *ret, struct su_err *err);
