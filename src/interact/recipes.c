/* The recipes at hand: shipped ones in memory, a tenant's own as objects.  Layer interact; any thread.
 *
 * The shipped shelf is read once and never changes, so it needs no lock.  A
 * tenant's recipe keeps its description as the version's metadata when it fits. */
#include "recipes.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "notebook.h"
#include "parameters.h"
#include "recipe.h"

enum { SHIPPED_MAX = 256, OWN_MAX = 1000 };

struct shipped { char *name, *text; size_t len; char sha256[SU_SHA256_HEX]; json_t *info; };

struct recipes {
    struct objects *objects;
    struct previews *previews;
    struct shipped shipped[SHIPPED_MAX];
    size_t n_shipped;
};

/* ---- the shipped ones ---- */

/* Checked text → canonical text and description. */
static bool read_recipe(struct su_str text, char **ret_text, size_t *ret_len, json_t **ret_info, struct su_err *err)
{
    SU_AUTO_JSON json_t *notebook = NULL;
    const json_t *declaration;
    if (!notebook_parse(text, &notebook, err) || !recipe_check(notebook, &declaration, err))
        return false;
    SU_AUTO_JSON json_t *parameters = parameters_discover(notebook);
    *ret_info = recipe_info(declaration, parameters);
    *ret_text = notebook_text(notebook, ret_len);
    return true;
}

static const struct shipped *find_shipped(const struct recipes *recipes, const char *name)
{
    for (size_t i = 0; i < recipes->n_shipped; i++) {
        if (strcmp(recipes->shipped[i].name, name) == 0)
            return &recipes->shipped[i];
    }
    return NULL;
}

static bool ship(struct recipes *recipes, const char *path, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(NOTEBOOK_BYTES_MAX);
    struct shipped *shipped = &recipes->shipped[recipes->n_shipped];
    if (!su_file_read(path, NOTEBOOK_BYTES_MAX, &text, err) ||
        !read_recipe(su_buf_str(&text), &shipped->text, &shipped->len, &shipped->info, err))
        return false;
    shipped->name = su_strdup(su_json_string(shipped->info, "name", ""));
    uint8_t digest[SU_SHA256_SIZE];
    su_sha256_of(shipped->text, shipped->len, digest);
    su_hex(digest, sizeof digest, shipped->sha256);
    json_object_set_new(shipped->info, "shipped", json_true());
    recipes->n_shipped++;
    return true;
}

static void read_shelf(struct recipes *recipes, const char *dir)
{
    DIR *folder = dir ? opendir(dir) : NULL;
    struct dirent *entry;
    while (folder && (entry = readdir(folder)) && recipes->n_shipped < SHIPPED_MAX) {
        struct su_err err;
        if (!su_str_ends(su_str_of(entry->d_name), SU_STR(".ipynb")) || entry->d_name[0] == '.')
            continue;
        SU_AUTO_FREE char *path = su_format("%s/%s", dir, entry->d_name);
        if (!ship(recipes, path, &err))
            su_log_error("recipe.shipped", &err, su_kv_text("file", entry->d_name));
    }
    if (folder)
        closedir(folder);
}

bool recipes_open(struct objects *objects, struct previews *previews, const char *dir, struct recipes **ret,
                  struct su_err *err)
{
    (void)err;
    struct recipes *recipes = su_alloc(sizeof *recipes);
    recipes->objects = objects;
    recipes->previews = previews;
    read_shelf(recipes, dir);
    *ret = recipes;
    return true;
}

void recipes_close(struct recipes *recipes)
{
    if (recipes == NULL)
        return;
    for (size_t i = 0; i < recipes->n_shipped; i++) {
        free(recipes->shipped[i].name);
        free(recipes->shipped[i].text);
        json_decref(recipes->shipped[i].info);
    }
    free(recipes);
}

/* ---- a tenant's own ---- */

static struct object_key key_of(const char *tenant, const char *name)
{
    return (struct object_key){.tenant = tenant, .kind = OBJECT_RECIPE, .name = name};
}

static bool read_own(struct recipes *recipes, const char *tenant, const char *name, struct object_info *ret_object,
                     struct su_buf *ret_text, struct su_err *err)
{
    struct object_key key = key_of(tenant, name);
    if (object_read(recipes->objects, &key, NOTEBOOK_BYTES_MAX, ret_object, ret_text, err))
        return true;
    if (err->code == SU_NOT_FOUND) {
        su_fail(err, SU_NOT_FOUND, "there is no recipe \"%.100s\"", name);
        return su_hint(err, "GET /v1/recipes lists them");
    }
    return false;
}

static json_t *own_info(const struct object_info *object, json_t *info)
{
    json_object_set_new(info, "shipped", json_false());
    json_object_set_new(info, "etag", json_string(object->etag));
    json_object_set_new(info, "stored_version", json_integer(object->version));
    return info;
}

static bool describe_own(struct recipes *recipes, const char *tenant, const struct object_info *object, json_t **ret,
                         struct su_err *err)
{
    json_t *kept = json_object_get(object->metadata, "recipe");
    if (json_is_object(kept)) {
        *ret = own_info(object, json_deep_copy(kept));
        return true;
    }
    OBJECT_AUTO_INFO struct object_info again = {0};
    SU_AUTO_BUF struct su_buf text = SU_BUF(NOTEBOOK_BYTES_MAX);
    SU_AUTO_FREE char *canonical = NULL;
    size_t len;
    json_t *info;
    if (!read_own(recipes, tenant, object->name, &again, &text, err) ||
        !read_recipe(su_buf_str(&text), &canonical, &len, &info, err))
        return false;
    *ret = own_info(object, info);
    return true;
}

static bool find_info(struct recipes *recipes, const char *tenant, const char *name, json_t **ret, struct su_err *err)
{
    const struct shipped *shipped = find_shipped(recipes, name);
    if (shipped) {
        *ret = json_deep_copy(shipped->info);
        return true;
    }
    OBJECT_AUTO_INFO struct object_info object = {0};
    struct object_key key = key_of(tenant, name);
    if (!object_get(recipes->objects, &key, &object, err)) {
        if (err->code == SU_NOT_FOUND) {
            su_fail(err, SU_NOT_FOUND, "there is no recipe \"%.100s\"", name);
            su_hint(err, "GET /v1/recipes lists them");
        }
        return false;
    }
    return describe_own(recipes, tenant, &object, ret, err);
}

bool recipes_info(struct recipes *recipes, const char *tenant, const char *name, json_t **ret, struct su_err *err)
{
    return find_info(recipes, tenant, name, ret, err);
}

/* ---- listing, with the fit ---- */

static bool preview_of(struct recipes *recipes, const char *tenant, const char *object, json_t **ret,
                       struct su_err *err)
{
    OBJECT_AUTO_INFO struct object_info info = {0};
    const struct object_key key = {.tenant = tenant, .kind = OBJECT_DATA, .name = object};
    if (!object_get(recipes->objects, &key, &info, err)) {
        snprintf(err->field, sizeof err->field, "/object");
        return false;
    }
    return preview_get(recipes->previews, tenant, &info, ret, err);
}

static void add_fit(json_t *info, const json_t *preview)
{
    char reason[256] = "";
    bool fits = recipe_fits(json_object_get(info, "input"), preview, reason, sizeof reason);
    json_object_set_new(info, "fits", json_boolean(fits));
    if (!fits)
        json_object_set_new(info, "reason", json_string(reason));
}

static bool list_own(struct recipes *recipes, const char *tenant, json_t *items, struct su_err *err)
{
    OBJECT_AUTO_PAGE struct object_page page = {0};
    const struct object_list list = {.tenant = tenant, .kind = OBJECT_RECIPE, .limit = OWN_MAX};
    if (!object_list(recipes->objects, &list, &page, err))
        return false;
    for (size_t i = 0; i < page.count; i++) {
        json_t *info;
        if (find_shipped(recipes, page.items[i].name) == NULL &&
            describe_own(recipes, tenant, &page.items[i], &info, err))
            json_array_append_new(items, info);
    }
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(su_json_string(*(json_t *const *)a, "name", ""), su_json_string(*(json_t *const *)b, "name", ""));
}

static json_t *sorted_by_name(const json_t *items)
{
    size_t n = json_array_size(items);
    SU_AUTO_FREE json_t **list = su_alloc((n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = json_array_get(items, i);
    qsort(list, n, sizeof(json_t *), compare_names);
    json_t *sorted = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append(sorted, list[i]);
    return sorted;
}

bool recipes_list(struct recipes *recipes, const char *tenant, const char *object, json_t **ret_items,
                  struct su_err *err)
{
    SU_AUTO_JSON json_t *items = json_array();
    SU_AUTO_JSON json_t *preview = NULL;
    if (object && !preview_of(recipes, tenant, object, &preview, err))
        return false;
    for (size_t i = 0; i < recipes->n_shipped; i++)
        json_array_append_new(items, json_deep_copy(recipes->shipped[i].info));
    if (!list_own(recipes, tenant, items, err))
        return false;
    size_t i;
    json_t *info;
    json_array_foreach(items, i, info) {
        if (preview)
            add_fit(info, preview);
    }
    *ret_items = sorted_by_name(items);
    return true;
}

bool recipes_text(struct recipes *recipes, const char *tenant, const char *name, struct su_buf *ret, struct su_err *err)
{
    const struct shipped *shipped = find_shipped(recipes, name);
    if (shipped) {
        su_buf_add(ret, shipped->text, shipped->len);
        return !ret->failed || su_fail(err, SU_LIMIT, "the recipe is larger than %zu bytes", ret->max);
    }
    OBJECT_AUTO_INFO struct object_info object = {0};
    return read_own(recipes, tenant, name, &object, ret, err);
}

/* ---- storing ---- */

static bool check_name(const struct recipes *recipes, const char *asked, const char *declared, struct su_err *err)
{
    if (asked && strcmp(asked, declared) != 0) {
        su_fail_field(err, SU_INVALID, "/metadata/suricate/recipe/name",
                      "the notebook declares the recipe \"%.100s\", not \"%.100s\"", declared, asked);
        return su_hint(err, "use the declared name in the address, or change the declaration");
    }
    if (find_shipped(recipes, declared)) {
        su_fail(err, SU_CONFLICT, "\"%.100s\" is a recipe that ships with the server", declared);
        return su_hint(err, "give your recipe another name in its metadata");
    }
    return true;
}

bool recipes_put(struct recipes *recipes, const struct object_put *put, struct su_str text, json_t **ret_info,
                 char ret_etag[static OBJECT_ETAG_SIZE], bool *ret_is_new, struct su_err *err)
{
    SU_AUTO_FREE char *canonical = NULL;
    SU_AUTO_JSON json_t *info = NULL;
    size_t len = 0;
    if (!read_recipe(text, &canonical, &len, &info, err) ||
        !check_name(recipes, put->key.name, su_json_string(info, "name", ""), err))
        return false;
    SU_AUTO_JSON json_t *metadata = json_pack("{s:O}", "recipe", info);
    SU_AUTO_FREE char *metadata_text = su_json_text(metadata);
    if (strlen(metadata_text) > OBJECT_METADATA_MAX / 2)
        json_object_clear(metadata);
    struct object_put ours = *put;
    ours.key.kind = OBJECT_RECIPE;
    ours.key.name = su_json_string(info, "name", "");
    ours.type = "application/x-ipynb+json";
    ours.metadata = metadata;
    OBJECT_AUTO_INFO struct object_info object = {0};
    if (!object_put_bytes(recipes->objects, &ours, (struct su_str){canonical, len}, &object, err))
        return false;
    *ret_info = own_info(&object, json_deep_copy(info));
    memcpy(ret_etag, object.etag, sizeof object.etag);
    *ret_is_new = object.is_new_name;
    return true;
}

bool recipes_delete(struct recipes *recipes, const struct object_delete *what, struct su_err *err)
{
    struct object_delete ours = *what;
    ours.key.kind = OBJECT_RECIPE;
    if (find_shipped(recipes, what->key.name))
        return su_fail(err, SU_DENIED, "\"%.100s\" ships with the server and cannot be removed", what->key.name);
    return object_delete(recipes->objects, &ours, err);
}

/* ---- running ---- */

static bool must_fit(struct recipes *recipes, const char *tenant, const json_t *info, const char *object,
                     struct su_err *err)
{
    SU_AUTO_JSON json_t *preview = NULL;
    char reason[256] = "";
    if (!preview_of(recipes, tenant, object, &preview, err))
        return false;
    if (recipe_fits(json_object_get(info, "input"), preview, reason, sizeof reason))
        return true;
    su_fail_field(err, SU_INVALID, "/object", "the recipe does not fit \"%.100s\": %s", object, reason);
    return su_hint(err, "GET /v1/recipes?object=NAME says which recipes fit a table");
}

bool recipes_source(struct recipes *recipes, const char *tenant, const char *name, const char *object,
                    struct run_source *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *info = NULL;
    if (!find_info(recipes, tenant, name, &info, err) || !must_fit(recipes, tenant, info, object, err))
        return false;
    struct run_source source = {.text = SU_BUF(NOTEBOOK_BYTES_MAX)};
    const struct shipped *shipped = find_shipped(recipes, name);
    OBJECT_AUTO_INFO struct object_info own = {0};
    if (shipped) {
        su_buf_add(&source.text, shipped->text, shipped->len);
    } else if (!read_own(recipes, tenant, name, &own, &source.text, err)) {
        su_buf_done(&source.text);
        return false;
    }
    memcpy(source.sha256, shipped ? shipped->sha256 : own.sha256, sizeof source.sha256);
    source.notebook = su_strdup(name);
    source.version = own.version;
    source.recipe = su_strdup(name);
    source.recipe_version = su_strdup(su_json_string(info, "version", ""));
    source.object = su_strdup(object);
    *ret = source;
    return true;
}
