/* Objects: the versioned, named content of a tenant.  Layer aggregate; any thread.
 *
 * A name belongs to a tenant and a kind (data, notebook, recipe): the same name
 * may stand for a table and for a notebook.  Each put makes the next version;
 * version numbers are never given twice, not even after the name was deleted, so
 * "name, version" in a lineage means one content for ever.
 *
 * Tags belong to the name: they find it, and a new version keeps them unless the
 * put brings its own.  Metadata belongs to the version: it says something about
 * those bytes, so a new version starts without it.
 *
 * A put or delete that returned true is on disk.  Content lives in the store's
 * blobs, one per SHA-256; blobref.h counts who needs them.
 *
 * Events, published after the commit on topic "tenant/<tenant>":
 * "object.created", "object.changed", "object.deleted" (or "notebook.…",
 * "recipe.…") with {name, version, is_new, sha256, size, type, user, run, tags}; the first two are promised (promise.h). */
#pragma once
#include "base/bus.h"
#include "base/hash.h"
#include "base/json.h"
#include "promise.h"
#include "store/store.h"

enum object_kind { OBJECT_DATA, OBJECT_NOTEBOOK, OBJECT_RECIPE, OBJECT_KIND_COUNT };
/* "object", "notebook", "recipe": the word in tables, events and messages. */
const char *object_kind_name(enum object_kind kind);

enum {
    OBJECT_NAME_MAX = 512,       /* bytes */
    OBJECT_TAGS_MAX = 32,
    OBJECT_TAG_MAX = 64,         /* bytes */
    OBJECT_METADATA_MAX = 16384, /* bytes of compact JSON */
    OBJECT_TYPE_MAX = 128,       /* bytes of a media type */
    OBJECT_LIST_MAX = 1000,
    OBJECT_ETAG_SIZE = 40,
};

struct objects;
struct objects_options {
    uint64_t size_max;           /* bytes of one version; 0: 64 GiB */
    uint64_t reserve;            /* free bytes an upload must leave on the disk, so that deleting still works; 0: 4 MiB */
    event_promise_fn *promise;   /* of events that something was created or changed; NULL: they are published only */
};

extern const struct store_migration object_migrations[];

/* Also starts the thread "object-sweep", once: it removes blobs that a crash left without an owner. */
bool objects_open(struct store *store, struct su_bus *bus, const struct objects_options *options,
                  struct objects **ret, struct su_err *err);
void objects_close(struct objects *objects);

/* Which content.  version 0 is the newest. */
struct object_key {
    const char *tenant;
    enum object_kind kind;
    const char *name;
    int64_t version;
};

/* One version.  Born as {0}; owns its texts until object_info_done. */
struct object_info {
    char *name;
    int64_t version;
    bool is_latest;
    bool is_new_name;                  /* set by a put: the name had no version before */
    char etag[OBJECT_ETAG_SIZE];       /* with its quotes: "v3-0123456789abcdef" */
    char sha256[SU_SHA256_HEX];
    uint64_t size;
    char *type;                        /* media type */
    json_t *tags;                      /* list of texts, sorted */
    json_t *metadata;                  /* object */
    int64_t created_ms;
    char *created_by;                  /* user */
    char *run;                         /* the run that wrote it, or NULL */
};
void object_info_done(struct object_info *info);
#define OBJECT_AUTO_INFO SU_CLEANUP(object_info_done)
/* The object of the REST API (new reference). */
json_t *object_info_json(const struct object_info *info);

/* 1..512 bytes of UTF-8 without control characters; segments between "/" are not empty, "." or "..". */
bool object_name_check(struct su_str name, struct su_err *err);

/* What to store.  Texts are copied by object_put_begin, the rest borrowed until it returns. */
struct object_put {
    struct object_key key;             /* version is ignored */
    const char *type;                  /* NULL: application/octet-stream */
    const json_t *tags;                /* list of texts; NULL keeps the name's tags */
    const json_t *metadata;            /* object; NULL: {} */
    const char *if_match;              /* HTTP's conditions on the newest version, or NULL; */
    const char *if_none_match;         /*   a miss is the problem "precondition-failed" */
    const char *user;                  /* created_by */
    const char *run;                   /* lineage, or NULL */
    uint64_t size_hint;                /* announced bytes, 0 unknown: refused early when it can't fit */
    const char *file;                  /* a finished file of the data directory that is the content (linked, not copied; never written
                                        * again): nothing is added to this put. Or NULL */
    /* Runs in the same transaction, after the version's rows: false undoes the put. May be NULL. */
    bool (*also)(struct sql *db, void *arg, const struct object_info *info, struct su_err *err);
    void *also_arg;
};

/* Streaming.  begin checks names, limits and conditions (so that a lost race is
 * told before the upload); finish checks the conditions again in the transaction.
 * Memory is constant.  One thread at a time, not always the same. */
struct object_upload;
bool object_put_begin(struct objects *objects, const struct object_put *put, struct object_upload **ret, struct su_err *err);
bool object_put_add(struct object_upload *upload, const void *data, size_t len, struct su_err *err);
bool object_put_finish(struct object_upload *upload, struct object_info *ret, struct su_err *err);
/* Instead of finish, for a put that is part of a larger transaction: ready (the content is on disk), then job inside a
 * writer job (its info by object_put_info, for the rest of that job), and after the commit done, which tells of it. */
bool object_put_ready(struct object_upload *upload, struct su_err *err);
bool object_put_job(struct sql *db, struct object_upload *upload, struct su_err *err);
const struct object_info *object_put_info(const struct object_upload *upload);
void object_put_done(struct object_upload *upload, struct object_info *ret);
/* Always, finished or not; NULL is fine.  Unfinished bytes are gone. */
void object_upload_close(struct object_upload *upload);
static inline void object_upload_close_pointer(struct object_upload **upload) { object_upload_close(*upload); }
#define OBJECT_AUTO_UPLOAD SU_CLEANUP(object_upload_close_pointer)

/* All three for content in memory. */
bool object_put_bytes(struct objects *objects, const struct object_put *put, struct su_str content,
                      struct object_info *ret, struct su_err *err);

bool object_get(struct objects *objects, const struct object_key *key, struct object_info *ret, struct su_err *err);
/* Also a read-only descriptor of the content; the caller closes it. It stays readable after a delete. */
bool object_open(struct objects *objects, const struct object_key *key, struct object_info *ret, int *ret_fd, struct su_err *err);
/* Whole content; SU_LIMIT past max. */
bool object_read(struct objects *objects, const struct object_key *key, size_t max,
                 struct object_info *ret, struct su_buf *ret_content, struct su_err *err);

/* The content of a small version (≤ OBJECT_SMALL_MAX bytes) that object_get told of; *ret is freed by the caller. */
enum { OBJECT_SMALL_MAX = 16 * 1024 };
bool object_small(struct objects *objects, const struct object_info *info, char **ret, struct su_err *err);
/* As object_get gives it: a descriptor of the content; the caller closes it. */
bool object_content(struct objects *objects, const struct object_info *info, int *ret_fd, struct su_err *err);

struct object_page { struct object_info *items; size_t count; char *next; /* cursor, NULL at the end */ };
void object_page_done(struct object_page *page);
#define OBJECT_AUTO_PAGE SU_CLEANUP(object_page_done)
/* {"items":[…],"next":…} (new reference). */
json_t *object_page_json(const struct object_page *page);

struct object_list {
    const char *tenant;
    enum object_kind kind;
    const char *prefix, *tag, *cursor; /* NULL: none; cursor: a page's next */
    const char *part;                  /* names that hold this, ASCII letters of either case; NULL: any */
    int64_t limit;                     /* 1..OBJECT_LIST_MAX */
};
/* How many names there are, and bytes of all their versions. */
bool object_totals(struct objects *objects, const char *tenant, enum object_kind kind, int64_t *ret_names, int64_t *ret_bytes, struct su_err *err);
/* Newest versions, by name. */
bool object_list(struct objects *objects, const struct object_list *list, struct object_page *ret, struct su_err *err);
/* Versions of one name, newest first. */
bool object_versions(struct objects *objects, const struct object_key *key, const char *cursor, int64_t limit,
                     struct object_page *ret, struct su_err *err);

/* New tags for the name, new metadata for the version; NULL leaves as it is.  if_match may be NULL. */
bool object_patch(struct objects *objects, const struct object_key *key, const json_t *tags, const json_t *metadata,
                  const char *if_match, const char *user, struct object_info *ret, struct su_err *err);

/* The whole name (version 0) or one version.  `also` as in object_put, with the key's name and version. May be NULL. */
struct object_delete {
    struct object_key key;
    const char *if_match, *user;
    bool (*also)(struct sql *db, void *arg, const struct object_key *key, struct su_err *err);
    void *also_arg;
};
bool object_delete(struct objects *objects, const struct object_delete *what, struct su_err *err);
/* Inside a writer job: one version goes, untold.  After the commit blobref_collect frees its content. */
bool object_delete_job(struct sql *db, const struct object_key *key, struct su_err *err);

/* HTTP's entity-tag lists ("a", W/"b", *); the quotes may be missing. */
bool object_etag_matches(const char *condition, const char *etag);
