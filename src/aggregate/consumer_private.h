/* What consumer.c (definitions, claims) and consumer_window.c (windows, commits) share.  Layer aggregate. */
#pragma once
#include "consumer.h"

struct consumers { struct streams *streams; struct store *store; };

struct consumer_row {
    int64_t id;
    char name[CONSUMER_NAME_MAX + 1];
    struct window_spec spec;
    bool has_revisions;
    struct consumer_position position;
    int64_t epoch, iterations, created_ms, claimed_ms, active_ms;
    int64_t last_epoch, last_start_us, last_revision;   /* of the last commit; last_epoch 0: none */
    char *begin, *claimed_by, *last_answer;
};
void consumer_row_done(struct consumer_row *row);
#define CONSUMER_AUTO_ROW SU_CLEANUP(consumer_row_done)

/* SU_NOT_FOUND says how to make it. */
bool consumer_load(struct sql *db, const struct stream *stream, const char *name, struct consumer_row *ret, struct su_err *err);
bool consumer_check_epoch(const struct consumer_row *row, int64_t epoch, struct su_err *err);
