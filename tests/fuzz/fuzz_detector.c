/* Detectors: parameters, models and stored states from outside, and points of any kind.  Tests.
 *
 * An input is a line of JSON, {"kind","parameters","model","dimensions"}, and records after it.  A record begins with a byte:
 * bit 0: what follows is a place (two bytes) and 8 bytes that are written into the state there; else 8 bytes, a double that
 * all dimensions have, bit 1: but the first, bit 2: which may not be learned, bit 3: without a message, bit 4: an hour ago. */
#include "fuzz.h"
#include <math.h>

#include "act/detector.h"

enum { RECORDS_MAX = 2000 };

static const uint8_t *record(const struct detector *detector, void *state, const uint8_t *at, int64_t *time_us)
{
    double values[DETECTOR_DIMENSIONS_MAX], number;
    struct detector_verdict verdict;
    memcpy(&number, at + 1, sizeof number);
    for (size_t i = 0; i < DETECTOR_DIMENSIONS_MAX; i++)
        values[i] = i == 0 && (*at & 2) ? -1 : number;
    *time_us += (*at & 16) ? -3600000000 : 60000000;
    const struct detector_point point = {*time_us, values, (*at & 8) == 0, (*at & 4) == 0};
    detector_update(detector, state, &point, &verdict);
    FUZZ_HOLDS(verdict.score >= 0 && verdict.score <= 1);
    FUZZ_HOLDS(verdict.is_warm || verdict.score == 0);
    FUZZ_HOLDS(verdict.dimension < DETECTOR_DIMENSIONS_MAX);
    return at + 9;
}

/* A garbled state is given on only if it passes for one. */
static const uint8_t *garble(const struct detector *detector, void *state, const uint8_t *at)
{
    size_t bytes = detector_state_bytes(detector), place = (size_t)(at[1] | at[2] << 8) % (bytes - 8);
    char before[8];
    memcpy(before, (char *)state + place, 8);
    memcpy((char *)state + place, at + 3, 8);
    if (!detector_check(detector, state, bytes))
        memcpy((char *)state + place, before, 8);
    return at + 11;
}

static void run(const struct detector *detector, const uint8_t *at, const uint8_t *end)
{
    size_t bytes = detector_state_bytes(detector);
    SU_AUTO_FREE void *state = su_alloc(bytes);
    int64_t time_us = 1767571200000000;
    bool is_own = true;
    detector_begin(detector, state);
    FUZZ_HOLDS(detector_check(detector, state, bytes));
    for (int i = 0; i < RECORDS_MAX && end - at >= 11; i++) {
        is_own &= (*at & 1) == 0;
        at = (*at & 1) ? garble(detector, state, at) : record(detector, state, at, &time_us);
        if (!detector_check(detector, state, bytes)) {
            FUZZ_HOLDS(!is_own);        /* what it made of points alone it takes back */
            return;
        }
    }
    SU_AUTO_JSON json_t *model = detector_model(detector, state);
    FUZZ_HOLDS(!model || json_is_object(model));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct su_err err = {0};
    SU_AUTO_JSON json_t *given = NULL;
    DETECTOR_AUTO struct detector *detector = NULL;
    const uint8_t *line = memchr(data, '\n', size);
    if (!line || !su_json_parse(fuzz_text(data, (size_t)(line - data)), "line", &given, &err))
        return 0;
    const char *kind = su_json_string(given, "kind", "combination");
    if (!detector_new(kind, json_object_get(given, "parameters"), json_object_get(given, "model"),
                      (size_t)su_json_int(given, "dimensions", 1), &detector, &err)) {
        FUZZ_HOLDS(err.message[0] && err.field[0]);
        return 0;
    }
    FUZZ_HOLDS(detector_state_bytes(detector) <= DETECTOR_STATE_MAX);
    run(detector, line + 1, data + size);
    return 0;
}
