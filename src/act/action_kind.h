/* Kinds of actions: how a decision becomes something outside.  Layer act.
 *
 * A kind is one file (action_NAME.c) and one row of action_kinds.  It says which fields its definitions have beside those
 * of every action, checks them, and makes an attempt: either a request that libcurl carries
 * out (`order`, then `judge`), or something that is done at once or waited for (`perform`).  A kind
 * that only says what is wanted and leaves the telling to another (scale, set) has `resolve`. */
#pragma once
#include <stdatomic.h>
#include "base/bus.h"
#include "base/json.h"
#include "base/thread.h"
#include "transfer.h"

struct compute;
struct fetches;
struct notebooks;
struct recipes;
struct runs;
struct secrets;
struct store;

/* The services below; a NULL one is absent, and what needs it fails with SU_UNAVAILABLE. */
struct action_services {
    struct store *store;
    struct su_bus *bus;
    struct fetches *fetches;
    struct secrets *secrets;
    struct notebooks *notebooks;
    struct recipes *recipes;
    struct runs *runs;
    struct compute *compute;
    const char *const *commands;    /* programs that actions may run, "NAME=/path" each, ended by NULL; or NULL */
};

enum attempt_outcome {
    ATTEMPT_SENT,       /* it was taken */
    ATTEMPT_AGAIN,      /* not now, or nobody knows: once more, under the same key */
    ATTEMPT_REFUSED,    /* never */
    ATTEMPT_OUTCOME_COUNT
};

/* One try to deliver one decision.  Owned by its delivery. */
struct attempt {
    const struct action_services *with;
    const struct action_kind *kind;
    char *tenant, *action, *id;         /* id: the decision's, its idempotency key */
    char *user;                         /* whose decision it is */
    json_t *definition;                 /* of the action, or what the decision has inline */
    json_t *decision;                   /* as receivers and templates see it */
    json_t *wanted;                     /* of `resolve`: the definition that tells it; or NULL */
    bool is_test;
    int64_t timeout_ms;
    atomic_bool is_cancelled;           /* the kill switch: `perform` gives up soon */
    struct su_lock socket_lock;
    int socket;                         /* of `perform`, to be broken off; -1: none */
    /* What came of it. */
    enum attempt_outcome outcome;
    long status;                        /* of HTTP or SMTP, a command's exit status; 0: none */
    int64_t retry_after_s;
    char *error, *answer;               /* error NULL: sent; answer: what may be told about it, or NULL */
};
/* Fill a template from the decision, whose members may be named with or without "decision." before them. */
bool attempt_fill(const struct attempt *attempt, const json_t *template, json_t **ret, struct su_err *err);
bool attempt_fill_text(const struct attempt *attempt, const char *template, char **ret, struct su_err *err);
/* Breaks off what `perform` does, from another thread. */
void attempt_cancel(struct attempt *attempt);
/* For amqp_link_options.socket: which socket that would be.  arg: the attempt. */
void attempt_socket(void *arg, int fd);
/* Note how it went. */
void attempt_sent(struct attempt *attempt, long status, const char *answer);
void attempt_failed(struct attempt *attempt, enum attempt_outcome outcome, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A fault that the server found itself: what asks too much or the impossible is refused, the rest tried again. */
void attempt_faulted(struct attempt *attempt, const struct su_err *err);

/* Texts that the order borrows, and lets go after transfer_start. */
struct attempt_order { struct transfer_order order; json_t *headers; char *body, *url; struct secret *secret; };
void attempt_order_done(struct attempt_order *order);

struct action_kind {
    const char *name, *summary;
    const struct su_field *fields, *more;       /* more: a second table, or NULL */
    /* Of a definition without the common fields. */
    bool (*check)(const struct action_services *with, const char *tenant, const json_t *own, struct su_err *err);
    bool (*resolve)(struct attempt *attempt, struct su_err *err);
    char *(*target)(const struct attempt *attempt);     /* whose breaker it is ("https://example.org"; caller frees); NULL: nobody's */
    bool (*order)(struct attempt *attempt, struct attempt_order *ret, struct su_err *err);
    void (*judge)(struct attempt *attempt, const struct transfer_end *end);
    void (*perform)(struct attempt *attempt);
    bool waits;                                 /* perform takes longer than a moment */
};
extern const struct action_kind *const action_kinds[];      /* ended by NULL */
/* SU_INVALID lists those there are. */
bool action_kind_find(const char *name, const struct action_kind **ret, struct su_err *err);

/* Pure: the members that every action has are left out (new reference). */
json_t *action_own(const json_t *definition);
/* May something be sent to this host and port?  As fetch_url_check. */
bool action_host_check(const struct action_services *with, const char *tenant, const char *host, int port, const char *field,
                       bool *ret_private, struct su_err *err);
/* For kinds that tell by another ("via": {"webhook": …} or {"command": …}). */
bool action_via_check(const struct action_services *with, const char *tenant, const json_t *via, struct su_err *err);

extern const struct action_kind action_webhook, action_amqp, action_run, action_email, action_command, action_scale, action_set;
