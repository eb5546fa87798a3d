/* Stored notebooks: versioned objects of kind "notebook".  Layer interact; any thread. */
#pragma once
#include "aggregate/object.h"
#include "run.h"

struct notebooks;

bool notebooks_open(struct objects *objects, struct notebooks **ret, struct su_err *err);
void notebooks_close(struct notebooks *notebooks);

/* Reads, checks and upgrades the text, and stores it in canonical form.  put->key.kind and ->type are set here. */
bool notebooks_put(struct notebooks *notebooks, const struct object_put *put, struct su_str text, json_t **ret_info,
                   char ret_etag[static OBJECT_ETAG_SIZE], bool *ret_is_new, struct su_err *err);
/* {"name","version","etag","size","cells","parameters","created_at",…} (new reference). */
bool notebooks_info(struct notebooks *notebooks, const char *tenant, const char *name, int64_t version, json_t **ret,
                    struct su_err *err);
bool notebooks_list(struct notebooks *notebooks, const char *tenant, const char *prefix, const char *part,
                    const char *cursor, size_t limit, json_t **ret_items, char **ret_next, struct su_err *err);
bool notebooks_versions(struct notebooks *notebooks, const char *tenant, const char *name, const char *cursor,
                        size_t limit, json_t **ret_items, char **ret_next, struct su_err *err);
/* The .ipynb; the caller closes *ret_fd and does ret_info. */
bool notebooks_file(struct notebooks *notebooks, const char *tenant, const char *name, int64_t version,
                    struct object_info *ret_info, int *ret_fd, struct su_err *err);
bool notebooks_delete(struct notebooks *notebooks, const struct object_delete *what, struct su_err *err);
/* For run_create. */
bool notebooks_source(struct notebooks *notebooks, const char *tenant, const char *name, int64_t version,
                      struct run_source *ret, struct su_err *err);
