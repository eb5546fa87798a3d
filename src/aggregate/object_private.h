/* What object.c (reading) and object_write.c (writing) share.  Layer aggregate. */
#pragma once
#include <stdatomic.h>
#include "base/thread.h"
#include "object.h"

struct objects {
    struct store *store;
    struct su_bus *bus;
    struct objects_options options;
    struct su_thread sweeper;
    atomic_bool is_closing;
};

/* The version that key names, through db; SU_NOT_FOUND. */
bool object_load(struct sql *db, const struct object_key *key, struct object_info *ret, struct su_err *err);
/* Is there room for so many bytes, with what is kept back left over? */
bool object_check_space(struct objects *objects, uint64_t wanted, struct su_err *err);
bool object_key_check(const struct object_key *key, struct su_err *err);
void object_etag(int64_t version, const char *sha256, char ret_etag[static OBJECT_ETAG_SIZE]);
