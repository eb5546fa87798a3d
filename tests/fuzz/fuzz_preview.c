/* Previews of any bytes: CSV in every dialect, NDJSON, JSON, gzip.  First byte: what the name promises, and how the
 * reader cuts the rest into pieces; the outcome must not depend on the cuts.  Tests. */
#include "fuzz.h"

#include "aggregate/profile.h"
#include "base/json.h"

struct source { const uint8_t *at; size_t left, piece; };

static bool read_piece(void *arg, void *to, size_t max, size_t *ret_got, struct su_err *err)
{
    struct source *source = arg;
    size_t got = source->left < source->piece ? source->left : source->piece;
    if (got > max)
        got = max;
    memcpy(to, source->at, got);
    source->at += got;
    source->left -= got;
    *ret_got = got;
    return true;
}

static json_t *preview(const uint8_t *data, size_t size, size_t piece, enum profile_hint hint)
{
    struct source source = {data, size, piece};
    struct profile_options options = {.hint = hint, .seed = 1, .record_max = 65536};
    struct su_err err = {0};
    json_t *value = NULL;
    FUZZ_HOLDS(profile_run(read_piece, &source, &options, &value, &err));
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    enum profile_hint hint = data[0] % PROFILE_HINT_COUNT;
    SU_AUTO_JSON json_t *whole = preview(data + 1, size - 1, SIZE_MAX, hint);
    SU_AUTO_JSON json_t *cut = preview(data + 1, size - 1, 1 + data[0] / 8, hint);
    FUZZ_HOLDS(json_equal(whole, cut));
    FUZZ_HOLDS(json_is_string(json_object_get(whole, "kind")));
    return 0;
}
