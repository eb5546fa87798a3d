/* Fetches: the server downloads an address into an object.  Layer aggregate; any thread.
 * The only user of libcurl in the server; the thread "fetch" owns its multi handle.
 *
 * Only http and https, only hosts that the tenant's owner put on the allow-list,
 * and never an address that is not public (loopback, private, link-local, …)
 * unless the entry says allow_private.  The name is resolved once, the addresses
 * are checked, and the connection goes to one of exactly these.  Redirects are
 * not followed.  Address and hash go into the object's metadata under "source".
 *
 * States: running → succeeded | failed (with a reason).  A fetch that a crash
 * interrupted is failed at the next start.  The topic "fetch/<id>" fires at the
 * end, and "fetch.finished" goes to "tenant/<tenant>". */
#pragma once
#include "object.h"

struct fetches;
struct fetches_options {
    uint64_t size_max;              /* bytes of one download; 0: 4 GiB */
    uint32_t time_max_s;            /* 0: 1800 */
    uint32_t parallel;              /* at once; 0: 4. More wait in line. */
    uint32_t queue_max;             /* waiting ones, all tenants; 0: 256 */
    /* Hosts allowed to every tenant from the command line: "HOST" or "HOST:PORT" texts, ended by NULL; private
     * addresses are allowed for entries with a port. May be NULL. */
    const char *const *allow;
};

extern const struct store_migration fetch_migrations[];

bool fetches_open(struct store *store, struct objects *objects, struct su_bus *bus, const struct fetches_options *options,
                  struct fetches **ret, struct su_err *err);
void fetches_close(struct fetches *fetches);   /* stops what is under way */

struct fetch_start {
    const char *tenant, *user, *run;           /* run may be NULL */
    const char *url, *name;
    const json_t *tags;                        /* or NULL */
};
/* Checks the address against the allow-list (SU_DENIED with what to do) and queues it. ret_id: SU_ID_SIZE. */
bool fetch_start(struct fetches *fetches, const struct fetch_start *what, char *ret_id, struct su_err *err);
/* {"id","state","reason","url","name","object":{…}|null,"bytes","created_at","ended_at"} (new reference). */
bool fetch_get(struct fetches *fetches, const char *tenant, const char *id, json_t **ret, struct su_err *err);
/* Newest first; *ret_next (may be NULL text) is freed by the caller. */
bool fetch_list(struct fetches *fetches, const char *tenant, const char *cursor, int64_t limit,
                json_t **ret_items, char **ret_next, struct su_err *err);

/* The tenant's allow-list: [{"host":"example.org","port":443|null,"allow_private":false}].  "*.example.org" has any name below. */
bool fetch_hosts_get(struct fetches *fetches, const char *tenant, json_t **ret_items, struct su_err *err);
bool fetch_hosts_put(struct fetches *fetches, const char *tenant, const json_t *items, struct su_err *err);

/* May something be sent to this http or https address (a webhook)?  Public addresses always; *ret_private: private ones
 * too, because an entry of the tenant or of the command line allows them for this host and port.  SU_DENIED
 * for an address that is private and not allowed; a name may still turn out so later.  Messages name `field`. */
bool fetch_url_check(struct fetches *fetches, const char *tenant, const char *url, const char *field, bool *ret_private, struct su_err *err);
