/* Requests to the outside: HTTP and mail, many at once.  Layer act; everything but transfers_wake on one thread.
 *
 * The layer's only user of libcurl.  An address is resolved once, checked (address.h) and connected to; redirects are
 * not followed; no proxy is asked, whatever the environment says.  Of an answer at most TRANSFER_ANSWER_MAX bytes are
 * taken: a longer one is cut off, with its connection. */
#pragma once
#include "base/json.h"

enum { TRANSFER_ANSWER_MAX = 64 * 1024 };

struct transfers;
struct transfer;
/* NULL: libcurl could not be started.  It takes memory: make them when they are needed. */
struct transfers *transfers_new(void);
void transfers_free(struct transfers *transfers);       /* what is under way is broken off */

/* Copied; what is NULL is not sent. */
struct transfer_order {
    const char *url;                /* http, https; smtp (STARTTLS unless is_plain), smtps */
    const char *method;             /* of HTTP */
    const json_t *headers;          /* object of texts; a header with an empty text is left out */
    struct su_str body;             /* of HTTP, or the whole mail */
    const char *from;               /* of mail: envelope */
    const json_t *to;               /* of mail: texts */
    const char *user;
    struct su_str password;
    const char *ca;                 /* PEM to trust instead of the system's */
    bool is_plain;                  /* mail without TLS */
    bool allow_private;
    int64_t timeout_ms;
    void *arg;
};
struct transfer *transfer_start(struct transfers *transfers, const struct transfer_order *order);
/* Broken off without a word; it must not have ended yet. */
void transfer_cancel(struct transfers *transfers, struct transfer *transfer);

struct transfer_end {
    void *arg;
    char error[256];                /* "": an answer came */
    bool was_private, is_timeout, is_cut;
    long status;                    /* of HTTP, or SMTP's last reply; 0: none */
    int64_t retry_after_s;
    struct su_str answer;           /* until the next call of transfers_next */
};
/* The next that has ended; false: none for now. */
bool transfers_next(struct transfers *transfers, struct transfer_end *ret);
/* Until something has ended, is woken, or so many ms have passed. */
void transfers_wait(struct transfers *transfers, int64_t timeout_ms);
void transfers_wake(struct transfers *transfers);       /* any thread */
