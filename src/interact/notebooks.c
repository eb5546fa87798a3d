/* Stored notebooks: versioned objects of kind "notebook".  Layer interact; any thread.
 *
 * What a list shows (number of cells, parameters) is kept as the version's
 * metadata when it is small enough, else read from the content when asked for. */
#include "notebooks.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "notebook.h"
#include "parameters.h"

struct notebooks { struct objects *objects; };

bool notebooks_open(struct objects *objects, struct notebooks **ret, struct su_err *err)
{
    (void)err;
    *ret = su_alloc(sizeof **ret);
    (*ret)->objects = objects;
    return true;
}

void notebooks_close(struct notebooks *notebooks) { free(notebooks); }

static struct object_key key_of(const char *tenant, const char *name, int64_t version)
{
    return (struct object_key){.tenant = tenant, .kind = OBJECT_NOTEBOOK, .name = name, .version = version};
}

/* {"cells","parameters"}, or without the parameters when they are too long. */
static json_t *summary_of(const json_t *notebook)
{
    json_t *summary = json_pack("{s:I, s:o}", "cells", (json_int_t)json_array_size(json_object_get(notebook, "cells")),
                                "parameters", parameters_discover(notebook));
    SU_AUTO_FREE char *text = su_json_text(summary);
    if (strlen(text) > OBJECT_METADATA_MAX / 2)
        json_object_del(summary, "parameters");
    return summary;
}

static json_t *info_json(const struct object_info *info)
{
    char created[SU_TIME_TEXT];
    json_t *parameters = json_object_get(info->metadata, "parameters");
    return json_pack("{s:s, s:I, s:s, s:I, s:s, s:I, s:O?, s:O, s:s, s:o, s:o}", "name", info->name, "version",
                     (json_int_t)info->version, "etag", info->etag, "size", (json_int_t)info->size, "sha256",
                     info->sha256, "cells", (json_int_t)su_json_int(info->metadata, "cells", 0), "parameters",
                     parameters, "tags", info->tags, "created_at", su_time_text(info->created_ms, created),
                     "created_by", su_json_text_or_null(info->created_by), "run", su_json_text_or_null(info->run));
}

bool notebooks_put(struct notebooks *notebooks, const struct object_put *put, struct su_str text, json_t **ret_info,
                   char ret_etag[static OBJECT_ETAG_SIZE], bool *ret_is_new, struct su_err *err)
{
    SU_AUTO_JSON json_t *notebook = NULL;
    if (!notebook_parse(text, &notebook, err))
        return false;
    size_t len = 0;
    SU_AUTO_FREE char *canonical = notebook_text(notebook, &len);
    SU_AUTO_JSON json_t *summary = summary_of(notebook);
    struct object_put ours = *put;
    ours.key.kind = OBJECT_NOTEBOOK;
    ours.type = "application/x-ipynb+json";
    ours.metadata = summary;
    OBJECT_AUTO_INFO struct object_info info = {0};
    if (!object_put_bytes(notebooks->objects, &ours, (struct su_str){canonical, len}, &info, err))
        return false;
    *ret_info = info_json(&info);
    if (json_object_get(*ret_info, "parameters") == NULL)
        json_object_set_new(*ret_info, "parameters", parameters_discover(notebook));
    memcpy(ret_etag, info.etag, sizeof info.etag);
    *ret_is_new = info.is_new_name;
    return true;
}

/* For the few whose parameters did not fit into the metadata. */
static bool add_parameters(struct notebooks *notebooks, const struct object_key *key, json_t *info, struct su_err *err)
{
    OBJECT_AUTO_INFO struct object_info again = {0};
    SU_AUTO_BUF struct su_buf text = SU_BUF(NOTEBOOK_BYTES_MAX);
    SU_AUTO_JSON json_t *notebook = NULL;
    if (!object_read(notebooks->objects, key, NOTEBOOK_BYTES_MAX, &again, &text, err) ||
        !notebook_parse(su_buf_str(&text), &notebook, err))
        return false;
    json_object_set_new(info, "parameters", parameters_discover(notebook));
    return true;
}

bool notebooks_info(struct notebooks *notebooks, const char *tenant, const char *name, int64_t version, json_t **ret,
                    struct su_err *err)
{
    OBJECT_AUTO_INFO struct object_info info = {0};
    struct object_key key = key_of(tenant, name, version);
    if (!object_get(notebooks->objects, &key, &info, err))
        return false;
    SU_AUTO_JSON json_t *json = info_json(&info);
    if (json_object_get(json, "parameters") == NULL && !add_parameters(notebooks, &key, json, err))
        return false;
    *ret = su_take(json);
    return true;
}

static void page_json(struct object_page *page, json_t **ret_items, char **ret_next)
{
    json_t *items = json_array();
    for (size_t i = 0; i < page->count; i++)
        json_array_append_new(items, info_json(&page->items[i]));
    *ret_items = items;
    *ret_next = su_take(page->next);
}

bool notebooks_list(struct notebooks *notebooks, const char *tenant, const char *prefix, const char *part,
                    const char *cursor, size_t limit, json_t **ret_items, char **ret_next, struct su_err *err)
{
    OBJECT_AUTO_PAGE struct object_page page = {0};
    const struct object_list list = {
        .tenant = tenant, .kind = OBJECT_NOTEBOOK, .prefix = prefix, .part = part, .cursor = cursor, .limit = (int64_t)limit};
    if (!object_list(notebooks->objects, &list, &page, err))
        return false;
    page_json(&page, ret_items, ret_next);
    return true;
}

bool notebooks_versions(struct notebooks *notebooks, const char *tenant, const char *name, const char *cursor,
                        size_t limit, json_t **ret_items, char **ret_next, struct su_err *err)
{
    OBJECT_AUTO_PAGE struct object_page page = {0};
    struct object_key key = key_of(tenant, name, 0);
    if (!object_versions(notebooks->objects, &key, cursor, (int64_t)limit, &page, err))
        return false;
    page_json(&page, ret_items, ret_next);
    return true;
}

bool notebooks_file(struct notebooks *notebooks, const char *tenant, const char *name, int64_t version,
                    struct object_info *ret_info, int *ret_fd, struct su_err *err)
{
    struct object_key key = key_of(tenant, name, version);
    return object_open(notebooks->objects, &key, ret_info, ret_fd, err);
}

bool notebooks_delete(struct notebooks *notebooks, const struct object_delete *what, struct su_err *err)
{
    struct object_delete ours = *what;
    ours.key.kind = OBJECT_NOTEBOOK;
    return object_delete(notebooks->objects, &ours, err);
}

bool notebooks_source(struct notebooks *notebooks, const char *tenant, const char *name, int64_t version,
                      struct run_source *ret, struct su_err *err)
{
    OBJECT_AUTO_INFO struct object_info info = {0};
    SU_AUTO_BUF struct su_buf text = SU_BUF(NOTEBOOK_BYTES_MAX);
    struct object_key key = key_of(tenant, name, version);
    if (!object_read(notebooks->objects, &key, NOTEBOOK_BYTES_MAX, &info, &text, err)) {
        snprintf(err->field, sizeof err->field, "/notebook");
        return false;
    }
    *ret = (struct run_source){.notebook = su_strdup(info.name), .version = info.version, .text = text};
    text = SU_BUF(0);
    memcpy(ret->sha256, info.sha256, sizeof ret->sha256);
    return true;
}
