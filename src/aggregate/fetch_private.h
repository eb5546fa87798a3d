/* What the parts of fetch share: the service (fetch.c), the allow-list (fetch_hosts.c) and the downloads
 * (fetch_transfer.c, the only user of libcurl).  Layer aggregate. */
#pragma once
#include "fetch.h"

enum { FETCH_HOST_SIZE = 256, FETCH_URL_MAX = 2048 };

struct fetches {
    struct store *store;
    struct su_bus *bus;
    struct fetches_options options;     /* allow is borrowed */
    struct fetch_engine *engine;
};

/* Where an address leads. */
struct fetch_target {
    char *url;                      /* without fragment; freed by fetch_target_done */
    char host[FETCH_HOST_SIZE];     /* lower case; IPv6 without brackets */
    uint16_t port;
    bool is_default_port;           /* of its scheme */
    bool allow_private;             /* set by fetch_hosts_allow */
};
bool fetch_target_parse(const char *url, struct fetch_target *ret, struct su_err *err);
void fetch_target_done(struct fetch_target *target);

/* SU_DENIED unless an entry of the tenant or of the command line allows it. */
bool fetch_hosts_allow(struct store *store, const char *const *allow, const char *tenant, struct fetch_target *target, struct su_err *err);
/* "HOST", "HOST:PORT" or "[V6]:PORT" of the command line; port 0: none given. */
bool fetch_hosts_parse(const char *text, char ret_host[static FETCH_HOST_SIZE], uint16_t *ret_port, struct su_err *err);

/* One download, from start to done. */
struct fetch_job {
    struct fetch_job *next;
    char id[32];
    char *tenant, *user, *run, *name;
    json_t *tags;
    struct fetch_target target;
};
void fetch_job_free(struct fetch_job *job);

/* The thread.  done is called on it, once for each job, with info on success and err otherwise; it consumes job. */
struct fetch_engine;
typedef void fetch_done_fn(void *arg, struct fetch_job *job, uint64_t bytes, const struct object_info *info, const struct su_err *err);
bool fetch_engine_open(struct objects *objects, const struct fetches_options *options, fetch_done_fn *done, void *arg,
                       struct fetch_engine **ret, struct su_err *err);
void fetch_engine_close(struct fetch_engine *engine);   /* jobs not done yet are done with SU_CANCELLED */
bool fetch_engine_submit(struct fetch_engine *engine, struct fetch_job **job, struct su_err *err);
