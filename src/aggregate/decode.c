/* Bytes of a file as UTF-8 text: see decode.h.  Layer aggregate. */
#include "decode.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PACKED_SIZE = 64 << 10, RAW_SIZE = 64 << 10, SNIFF_SIZE = 4096 };
_Static_assert(RAW_SIZE >= PACKED_SIZE, "the beginning is read into raw");

struct decoder {
    decode_read_fn *read;
    void *arg;
    struct decode_limits limits;
    /* gzip */
    bool is_gzip, is_packed_end;
    z_stream zip;
    uint8_t packed[PACKED_SIZE];
    uint64_t packed_bytes, opened_bytes;
    /* bytes that are not text yet: raw[at..end) */
    uint8_t raw[RAW_SIZE];
    size_t at, end;
    bool is_end, is_started, is_binary, has_characters;
    bool has_failed;            /* after raw: failure says why */
    struct su_err failure;
    enum decode_encoding encoding;
    uint64_t stray_bytes;
};

const char *decode_encoding_name(enum decode_encoding encoding)
{
    static const char *const names[DECODE_ENCODING_COUNT] = {"utf-8", "latin-1", "utf-16le", "utf-16be"};
    return names[encoding];
}

struct decoder *decoder_new(decode_read_fn *read, void *arg, const struct decode_limits *limits)
{
    struct decoder *decoder = su_alloc(sizeof *decoder);
    decoder->read = read;
    decoder->arg = arg;
    decoder->limits = limits ? *limits : (struct decode_limits){0};
    if (decoder->limits.open_max == 0)
        decoder->limits.open_max = (uint64_t)16 << 30;
    if (decoder->limits.ratio_max == 0)
        decoder->limits.ratio_max = 200;
    return decoder;
}

void decoder_free(struct decoder *decoder)
{
    if (decoder == NULL)
        return;
    if (decoder->is_gzip)
        inflateEnd(&decoder->zip);
    free(decoder);
}

bool decoder_is_gzip(const struct decoder *decoder) { return decoder->is_gzip; }
bool decoder_is_binary(const struct decoder *decoder) { return decoder->is_binary; }

enum decode_encoding decoder_encoding(const struct decoder *decoder)
{
    bool is_latin1 = decoder->encoding == DECODE_UTF8 && decoder->stray_bytes > 0 && !decoder->has_characters;
    return is_latin1 ? DECODE_LATIN1 : decoder->encoding;
}

uint64_t decoder_stray_bytes(const struct decoder *decoder)
{
    return decoder_encoding(decoder) == DECODE_LATIN1 ? 0 : decoder->stray_bytes;
}

/* --- gzip ------------------------------------------------------------- */

static bool refill_packed(struct decoder *decoder, struct su_err *err)
{
    size_t got;
    if (!decoder->read(decoder->arg, decoder->packed, PACKED_SIZE, &got, err))
        return false;
    decoder->zip.next_in = decoder->packed;
    decoder->zip.avail_in = (uInt)got;
    decoder->packed_bytes += got;
    decoder->is_packed_end = got == 0;
    return true;
}

static bool check_opened(const struct decoder *decoder, struct su_err *err)
{
    if (decoder->opened_bytes > decoder->limits.open_max)
        return su_fail(err, SU_LIMIT, "the gzip file opens to more than %llu bytes", (unsigned long long)decoder->limits.open_max);
    if (decoder->opened_bytes > (64 << 20) && decoder->opened_bytes / decoder->limits.ratio_max > decoder->packed_bytes)
        return su_fail(err, SU_LIMIT, "the gzip file opens to more than %u times its size", decoder->limits.ratio_max);
    return true;
}

/* A file may be several gzip streams in a row; zeros after the last are padding. */
static bool open_next_stream(struct decoder *decoder, bool *ret_is_end, struct su_err *err)
{
    while (decoder->zip.avail_in > 0 || !decoder->is_packed_end) {
        if (decoder->zip.avail_in == 0 && !refill_packed(decoder, err))
            return false;
        while (decoder->zip.avail_in > 0 && *decoder->zip.next_in == 0) {
            decoder->zip.next_in++;
            decoder->zip.avail_in--;
        }
        if (decoder->zip.avail_in > 0) {
            *ret_is_end = false;
            return inflateReset(&decoder->zip) == Z_OK || su_fail(err, SU_INTERNAL, "zlib refused a reset");
        }
    }
    *ret_is_end = true;
    return true;
}

static bool read_gzip(struct decoder *decoder, uint8_t *data, size_t cap, size_t *ret, struct su_err *err)
{
    decoder->zip.next_out = data;
    decoder->zip.avail_out = (uInt)cap;
    bool is_end = false;
    while (decoder->zip.avail_out == cap && !is_end) {
        if (decoder->zip.avail_in == 0 && !decoder->is_packed_end && !refill_packed(decoder, err))
            return false;
        int status = inflate(&decoder->zip, Z_NO_FLUSH);
        if (status == Z_STREAM_END) {
            if (!open_next_stream(decoder, &is_end, err))
                return false;
        } else if (status == Z_BUF_ERROR && decoder->is_packed_end) {
            return su_fail(err, SU_INVALID, "the gzip file ends too early");
        } else if (status != Z_OK && status != Z_BUF_ERROR) {
            if (decoder->zip.avail_out < cap)
                break;  /* first what is good; the next call meets the damage again */
            return su_fail(err, SU_INVALID, "the gzip file is damaged (%s)", decoder->zip.msg ? decoder->zip.msg : "no reason given");
        }
    }
    *ret = cap - decoder->zip.avail_out;
    decoder->opened_bytes += *ret;
    return check_opened(decoder, err);
}

static bool read_raw(struct decoder *decoder, uint8_t *data, size_t cap, size_t *ret, struct su_err *err)
{
    return decoder->is_gzip ? read_gzip(decoder, data, cap, ret, err) : decoder->read(decoder->arg, data, cap, ret, err);
}

/* --- the beginning ---------------------------------------------------- */

/* Fill raw from the end of what it holds, until at least `wanted` bytes are there or the file ends: with a
 * failure kept for decoder_read to tell once everything before it was used. */
static void fill(struct decoder *decoder, size_t wanted)
{
    if (decoder->at > 0) {
        memmove(decoder->raw, decoder->raw + decoder->at, decoder->end - decoder->at);
        decoder->end -= decoder->at;
        decoder->at = 0;
    }
    while (decoder->end < wanted && !decoder->is_end) {
        size_t got = 0;
        decoder->has_failed = !read_raw(decoder, decoder->raw + decoder->end, RAW_SIZE - decoder->end, &got, &decoder->failure);
        if (decoder->has_failed)
            got = 0;
        decoder->end += got;
        decoder->is_end = got == 0;
    }
}

static bool start_gzip(struct decoder *decoder, struct su_err *err)
{
    decoder->is_gzip = true;
    if (inflateInit2(&decoder->zip, 15 + 16) != Z_OK) {
        decoder->is_gzip = false;
        return su_fail(err, SU_INTERNAL, "zlib could not be started");
    }
    su_assert(decoder->end <= PACKED_SIZE);
    memcpy(decoder->packed, decoder->raw, decoder->end);
    decoder->zip.next_in = decoder->packed;
    decoder->zip.avail_in = (uInt)decoder->end;
    decoder->packed_bytes = decoder->end;
    decoder->is_packed_end = decoder->is_end;
    decoder->end = 0;
    decoder->is_end = false;
    fill(decoder, SNIFF_SIZE);
    return true;
}

/* UTF-16 without a mark: nearly every character of a table is ASCII, so every other byte is zero. */
static bool looks_utf16(const uint8_t *data, size_t len, size_t zero_side)
{
    size_t zeros = 0, others = 0;
    for (size_t i = 0; i + 1 < len; i += 2) {
        zeros += data[i + zero_side] == 0;
        others += data[i + 1 - zero_side] == 0;
    }
    return len >= 8 && others == 0 && zeros * 10 >= (len / 2) * 8;
}

static void sniff_encoding(struct decoder *decoder)
{
    const uint8_t *data = decoder->raw;
    size_t len = decoder->end < SNIFF_SIZE ? decoder->end : SNIFF_SIZE;
    if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
        decoder->at = 3;
    } else if (len >= 2 && memcmp(data, "\xff\xfe", 2) == 0) {
        decoder->encoding = DECODE_UTF16LE;
        decoder->at = 2;
    } else if (len >= 2 && memcmp(data, "\xfe\xff", 2) == 0) {
        decoder->encoding = DECODE_UTF16BE;
        decoder->at = 2;
    } else if (looks_utf16(data, len, 1)) {
        decoder->encoding = DECODE_UTF16LE;
    } else if (looks_utf16(data, len, 0)) {
        decoder->encoding = DECODE_UTF16BE;
    } else {
        decoder->is_binary = memchr(data, 0, len) != NULL;
    }
}

static bool start(struct decoder *decoder, struct su_err *err)
{
    size_t got;
    decoder->is_started = true;
    /* Never more than the packed buffer holds, so that a gzip file's beginning can move there. */
    while (decoder->end < SNIFF_SIZE && !decoder->is_end) {
        if (!decoder->read(decoder->arg, decoder->raw + decoder->end, PACKED_SIZE - decoder->end, &got, err))
            return false;
        decoder->end += got;
        decoder->is_end = got == 0;
    }
    if (decoder->end >= 3 && memcmp(decoder->raw, "\x1f\x8b\x08", 3) == 0 && !start_gzip(decoder, err))
        return false;
    sniff_encoding(decoder);
    return true;
}

/* --- characters ------------------------------------------------------- */

static size_t put_character(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static uint32_t windows1252(uint8_t byte)
{
    static const uint16_t high[32] = {0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160,
                                      0x2039, 0x152, 0x8d, 0x17d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
                                      0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178};
    return byte >= 0x80 && byte < 0xa0 ? high[byte - 0x80] : byte;
}

/* Bytes of ASCII at the start of data. */
static size_t ascii_length(const uint8_t *data, size_t len)
{
    size_t i = 0;
    for (; i + 32 <= len; i += 32) {
        uint64_t words[4];
        memcpy(words, data + i, sizeof words);
        if (((words[0] | words[1] | words[2] | words[3]) & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (i < len && data[i] < 0x80)
        i++;
    return i;
}

/* Length of the valid UTF-8 character at data (Unicode 15, table 3-7), 0 when there is none, -1 when it is cut off. */
static int character_length(const uint8_t *data, size_t len)
{
    uint8_t first = data[0];
    if (first < 0x80)
        return 1;
    int need = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
    if (need == 0)
        return 0;
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80, high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    for (int i = 1; i < need; i++) {
        if ((size_t)i >= len)
            return -1;
        if (data[i] < (i == 1 ? low : 0x80) || data[i] > (i == 1 ? high : 0xbf))
            return 0;
    }
    return need;
}

static size_t decode_utf8(struct decoder *decoder, char *text, size_t cap)
{
    size_t out = 0;
    while (decoder->at < decoder->end) {
        const uint8_t *data = decoder->raw + decoder->at;
        size_t left = decoder->end - decoder->at, room = cap - out;
        size_t plain = ascii_length(data, left < room ? left : room);
        memcpy(text + out, data, plain);
        out += plain;
        decoder->at += plain;
        if (plain == left || cap - out < 4)
            break;
        int length = character_length(data + plain, left - plain);
        if (length < 0 && !decoder->is_end)
            break;
        if (length > 0) {
            memcpy(text + out, data + plain, (size_t)length);
            out += (size_t)length;
            decoder->at += (size_t)length;
            decoder->has_characters = true;
        } else {
            out += put_character(text + out, windows1252(data[plain]));
            decoder->at++;
            decoder->stray_bytes++;
        }
    }
    return out;
}

static uint32_t utf16_unit(const struct decoder *decoder, size_t at)
{
    const uint8_t *data = decoder->raw + at;
    return decoder->encoding == DECODE_UTF16LE ? (uint32_t)(data[0] | data[1] << 8) : (uint32_t)(data[0] << 8 | data[1]);
}

static size_t decode_utf16(struct decoder *decoder, char *text, size_t cap)
{
    enum { REPLACEMENT = 0xfffd };
    size_t out = 0;
    while (decoder->end - decoder->at >= 2 && cap - out >= 4) {
        uint32_t code = utf16_unit(decoder, decoder->at);
        size_t used = 2;
        if (code >= 0xd800 && code < 0xdc00) {
            bool has_next = decoder->end - decoder->at >= 4;
            if (!has_next && !decoder->is_end)
                break;
            uint32_t low = has_next ? utf16_unit(decoder, decoder->at + 2) : 0;
            bool is_pair = low >= 0xdc00 && low < 0xe000;
            code = is_pair ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : REPLACEMENT;
            used = is_pair ? 4 : 2;
        } else if (code >= 0xdc00 && code < 0xe000) {
            code = REPLACEMENT;
        }
        out += put_character(text + out, code);
        decoder->at += used;
    }
    if (decoder->is_end && decoder->end - decoder->at == 1)
        decoder->at = decoder->end;     /* half a unit at the very end */
    return out;
}

bool decoder_read(struct decoder *decoder, char *text, size_t cap, size_t *ret, struct su_err *err)
{
    if (!decoder->is_started && !start(decoder, err))
        return false;
    *ret = 0;
    while (*ret == 0) {
        if (decoder->end - decoder->at < 4)
            fill(decoder, 4);
        if (decoder->at == decoder->end && decoder->has_failed)
            *err = decoder->failure;
        if (decoder->at == decoder->end)
            return !decoder->has_failed;
        *ret = decoder->encoding == DECODE_UTF8 ? decode_utf8(decoder, text, cap) : decode_utf16(decoder, text, cap);
    }
    return true;
}

/* --- a whole buffer ---------------------------------------------------- */

static bool inflate_part(z_stream *zip, size_t max, struct su_buf *ret, int *ret_status, struct su_err *err)
{
    char *room = su_buf_room(ret, RAW_SIZE);
    if (!room)
        return su_fail(err, SU_LIMIT, "opens to more than %zu bytes", max);
    zip->next_out = (Bytef *)room;
    zip->avail_out = RAW_SIZE;
    *ret_status = inflate(zip, Z_NO_FLUSH);
    su_buf_grew(ret, RAW_SIZE - zip->avail_out);
    if (ret->len > max)
        return su_fail(err, SU_LIMIT, "opens to more than %zu bytes", max);
    if (*ret_status != Z_OK && *ret_status != Z_STREAM_END)
        return su_fail(err, SU_INVALID, "is not gzip, or damaged (%s)", zip->msg ? zip->msg : "it ends too early");
    return true;
}

bool decode_gzip(struct su_str packed, size_t max, struct su_buf *ret, struct su_err *err)
{
    z_stream zip = {.next_in = (Bytef *)(uintptr_t)packed.ptr, .avail_in = (uInt)packed.len};
    if (packed.len > UINT32_MAX)
        return su_fail(err, SU_LIMIT, "is too large for gzip");
    if (inflateInit2(&zip, 15 + 16) != Z_OK)
        return su_fail(err, SU_INTERNAL, "zlib could not be started");
    int status = Z_OK;
    bool is_good = true;
    while (is_good && (status != Z_STREAM_END || zip.avail_in)) {
        if (status == Z_STREAM_END && inflateReset(&zip) != Z_OK)
            is_good = su_fail(err, SU_INTERNAL, "zlib refused a reset");
        is_good = is_good && inflate_part(&zip, max, ret, &status, err);
    }
    inflateEnd(&zip);
    return is_good;
}
