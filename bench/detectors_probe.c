/* A native detector over series, as a watch would run it: what bench/detect-quality judges.
 *
 *   detectors-probe KIND PARAMETERS MODEL ENTER LEAVE HOLD
 *
 * PARAMETERS and MODEL are JSON ("null": none).  Standard input holds series one after another, all little-endian:
 * int64 rows, int64 dimensions, int64 learns (row from which nothing is learned, or -1: an open episode decides that),
 * then rows × int64 times in µs, rows × uint64 messages, rows × dimensions doubles.  Standard output holds for each row
 * eight doubles: score, value, expected, low, high, is_warm, is_firing and the dimension that contributed most.
 *
 * An episode opens when HOLD windows in a row have a score of at least ENTER, and ends with the first below LEAVE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "act/detector.h"
#include "act/watch_machine.h"
#include "base/err.h"

static struct su_err err;

struct series {
    int64_t rows, dimensions, learns;
};

static void must(bool is_done)
{
    if (is_done)
        return;
    fprintf(stderr, "detectors-probe: %s %s\n", err.field, err.message);
    exit(1);
}

static void *taken(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory || fread(memory, 1, size, stdin) != size) {
        fprintf(stderr, "detectors-probe: the input ends in a series\n");
        exit(1);
    }
    return memory;
}

static void judge(const struct detector *detector, const struct watch_rules *rules, const struct series *series)
{
    size_t rows = (size_t)series->rows, dimensions = (size_t)series->dimensions;
    int64_t *times = taken(rows * sizeof *times);
    uint64_t *messages = taken(rows * sizeof *messages);
    double *values = taken(rows * dimensions * sizeof *values);
    void *state = calloc(1, detector_state_bytes(detector));
    detector_begin(detector, state);
    struct watch_key key = {0};
    for (size_t row = 0; row < rows; row++) {
        struct watch_input input = {.start_us = row ? times[row - 1] : times[0] - 1, .end_us = times[row], .messages = messages[row]};
        bool may_learn = series->learns < 0 ? watch_use(rules, &key, &input).may_learn : (int64_t)row < series->learns;
        struct detector_point point = {times[row], values + row * dimensions, messages[row], may_learn};
        struct detector_verdict verdict;
        detector_update(detector, state, &point, &verdict);
        input.value = verdict.value;
        input.score = verdict.score;
        input.is_warm = verdict.is_warm;
        struct watch_effect effect;
        watch_step(rules, &key, &input, &effect);
        double out[8] = {verdict.score, verdict.value, verdict.expected, verdict.low, verdict.high,
                         verdict.is_warm, key.level > WATCH_OK, verdict.dimension};
        fwrite(out, sizeof out, 1, stdout);
    }
    free(state);
    free(values);
    free(messages);
    free(times);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: detectors-probe KIND PARAMETERS MODEL ENTER LEAVE HOLD < series > verdicts\n");
        return 2;
    }
    SU_AUTO_JSON json_t *parameters = NULL, *model = NULL;
    must(su_json_parse(su_str_of(argv[2]), "parameters", &parameters, &err));
    must(su_json_parse(su_str_of(argv[3]), "model", &model, &err));
    int32_t hold = (int32_t)strtol(argv[6], NULL, 10);
    struct watch_rules rules = {.hold = hold, .hold_of = hold, .clear = 1};
    rules.bounds[WATCH_CRITICAL] = (struct watch_bound){.is_set = true, .enter = strtod(argv[4], NULL), .leave = strtod(argv[5], NULL)};
    struct series series;
    while (fread(&series, sizeof series, 1, stdin) == 1) {
        DETECTOR_AUTO struct detector *detector = NULL;
        must(detector_new(argv[1], json_is_null(parameters) ? NULL : parameters, json_is_null(model) ? NULL : model,
                          (size_t)series.dimensions, &detector, &err));
        judge(detector, &rules, &series);
    }
    return 0;
}
