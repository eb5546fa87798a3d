/* Iterations: what a follower made of one window, committed as one.  Layer act; any thread.
 *
 * An iteration is the unit of acting: the consumer's new position, the decisions
 * about the window and the models that it made, in one transaction.  Either all of
 * it happened or nothing did; a commit under an epoch that is over (fencing), of
 * another window than the next, or with a decision whose action is unknown changes nothing.
 *
 * Models become versions of model.h, with the window that made them; the stage is decided in the same transaction.  Decisions
 * name the models in use and the code.  Afterwards the topic
 * "decisions" wakes the delivery, "decision.made" goes to "tenant/<tenant>" for each
 * decision, and "run-consumed" tells a run's lineage {tenant, run, stream, consumer, from, to, decisions}. */
#pragma once
#include "aggregate/consumer.h"

enum { ITERATION_DECISIONS_MAX = 1000, ITERATION_MODELS_MAX = 64, ITERATION_BODY_MAX = 64 << 20 };

struct models;
struct iterations;
bool iterations_open(struct store *store, struct su_bus *bus, struct models *models, struct consumers *consumers, struct iterations **ret,
                     struct su_err *err);
void iterations_close(struct iterations *iterations);

struct iteration {
    struct stream *stream;
    const char *consumer, *user, *run, *code;   /* run, and code ("notebook load@7"), may be NULL */
    int64_t epoch, start_us, revision;
    const json_t *decisions;    /* [{"action","parameters","reason"}] or NULL */
    const json_t *models;       /* [{"name","content" (base64),"type","format","kind","stage","metrics","metadata","tags","sources"}] or NULL */
    const json_t *used;         /* [{"name","version"}]: the models that the decisions were made with, or NULL */
};
/* *ret: {"iteration","decisions":[ids],"models":[{"name","model","version","stage"}]} (new reference).  The window committed last, under
 * the same epoch, gives the answer of then. */
bool iteration_commit(struct iterations *iterations, const struct iteration *iteration, json_t **ret, struct su_err *err);
