/* Notebooks as values: parse, upgrade, check.  Layer interact; pure, any thread.
 *
 * The rules are those of nbformat's 4.5 schema; each is a few lines of C rather
 * than a schema engine, so that the message can say what to do.  The canonical
 * writer is in notebook_write.c, version 3 in notebook_v3.c. */
#include "notebook.h"

#include <string.h>

#include "base/random.h"

/* ---- where we are: a JSON pointer that grows and shrinks with the walk ---- */

struct place { char text[96]; size_t len; };

static size_t place_push(struct place *at, const char *key)
{
    size_t before = at->len;
    size_t room = sizeof at->text - before;
    int n = snprintf(at->text + before, room, "/%s", key);
    at->len = (size_t)n < room ? before + (size_t)n : sizeof at->text - 1;
    return before;
}

static size_t place_push_index(struct place *at, size_t index)
{
    char key[24];
    snprintf(key, sizeof key, "%zu", index);
    return place_push(at, key);
}

static void place_pop(struct place *at, size_t before)
{
    at->len = before;
    at->text[before] = 0;
}

static bool wrong(const struct place *at, struct su_err *err, const char *what)
{
    su_fail_field(err, SU_INVALID, at->text[0] ? at->text : "/", "not a notebook: %s: %s", at->text[0] ? at->text : "/",
                  what);
    return su_hint(err, "nbformat 4.5 is the format; `jupyter nbconvert --to notebook` rewrites a file in it");
}

static bool wrong_at(struct place *at, const char *key, struct su_err *err, const char *what)
{
    size_t before = place_push(at, key);
    wrong(at, err, what);
    place_pop(at, before);
    return false;
}

/* ---- multi-line strings ---- */

static bool is_text_list(const json_t *value)
{
    if (!json_is_array(value))
        return false;
    size_t i;
    json_t *line;
    json_array_foreach(value, i, line) {
        if (!json_is_string(line))
            return false;
    }
    return true;
}

/* object[key] from a list of strings to one string; others stay as they are. */
static void join_text(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (!is_text_list(value))
        return;
    size_t total = 0, i;
    json_t *line;
    json_array_foreach(value, i, line)
        total += json_string_length(line);
    SU_AUTO_FREE char *text = su_alloc(total + 1);
    size_t at = 0;
    json_array_foreach(value, i, line) {
        memcpy(text + at, json_string_value(line), json_string_length(line));
        at += json_string_length(line);
    }
    json_object_set_new_nocheck(object, key, json_stringn_nocheck(text, total));
}

bool notebook_mime_is_json(const char *mime)
{
    if (strcmp(mime, "application/json") == 0)
        return true;
    return su_str_starts(su_str_of(mime), SU_STR("application/")) && su_str_ends(su_str_of(mime), SU_STR("+json"));
}

static void join_bundle(json_t *bundle)
{
    const char *mime;
    json_t *value;
    void *next;
    if (!json_is_object(bundle))
        return;
    json_object_foreach_safe(bundle, next, mime, value) {
        if (!notebook_mime_is_json(mime))
            join_text(bundle, mime);
    }
}

static void join_output(json_t *output)
{
    if (!json_is_object(output))
        return;
    const char *type = su_json_string(output, "output_type", "");
    if (strcmp(type, "execute_result") == 0 || strcmp(type, "display_data") == 0)
        join_bundle(json_object_get(output, "data"));
    else
        join_text(output, "text");
}

static void join_cell(json_t *cell)
{
    const char *name;
    json_t *attachment;
    join_text(cell, "source");
    json_object_foreach(json_object_get(cell, "attachments"), name, attachment)
        join_bundle(attachment);
    size_t i;
    json_t *output;
    json_array_foreach(json_object_get(cell, "outputs"), i, output)
        join_output(output);
}

/* ---- upgrade and repair ---- */

static bool id_is_valid(const json_t *id)
{
    if (!json_is_string(id))
        return false;
    size_t len = json_string_length(id);
    return len >= 1 && len <= NOTEBOOK_CELL_ID_MAX
        && strspn(json_string_value(id), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static void give_id(json_t *cell, const json_t *taken)
{
    char id[17];
    uint8_t bytes[8];
    do {
        su_random(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
            snprintf(id + 2 * i, 3, "%02x", bytes[i]);
        id[8] = 0;
    } while (json_object_get(taken, id) != NULL);
    json_object_set_new(cell, "id", json_string(id));
}

/* Every cell gets an id of its own; the first of two equal ones keeps it. */
static void fill_ids(json_t *cells, bool is_old)
{
    SU_AUTO_JSON json_t *taken = json_object();
    size_t i;
    json_t *cell;
    json_array_foreach(cells, i, cell) {
        json_t *id = json_object_get(cell, "id");
        bool is_missing = id == NULL || (is_old && !id_is_valid(id));
        bool is_taken = id_is_valid(id) && json_object_get(taken, json_string_value(id)) != NULL;
        if (json_is_object(cell) && (is_missing || is_taken))
            give_id(cell, taken);
        id = json_object_get(cell, "id");
        if (id_is_valid(id))
            json_object_set_new(taken, json_string_value(id), json_true());
    }
}

static void drop_transient(json_t *notebook)
{
    json_t *metadata = json_object_get(notebook, "metadata");
    static const char *const keys[] = {"orig_nbformat", "orig_nbformat_minor", "signature"};
    for (size_t i = 0; i < SU_COUNT(keys); i++)
        json_object_del(metadata, keys[i]);
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(notebook, "cells"), i, cell)
        json_object_del(json_object_get(cell, "metadata"), "trusted");
}

static bool check_version(json_t *notebook, struct su_err *err)
{
    struct place at = {0};
    if (!json_is_object(notebook))
        return wrong(&at, err, "the file must hold a JSON object");
    if (!json_is_integer(json_object_get(notebook, "nbformat")))
        return wrong_at(&at, "nbformat", err, "missing, or not a whole number");
    int64_t major = su_json_int(notebook, "nbformat", 0);
    if (major == 3)
        return notebook_upgrade_v3(notebook, err);
    if (major != 4) {
        su_fail_field(err, SU_INVALID, "/nbformat",
                      "nbformat %lld is not supported, only 4 (and 3, which is converted)", (long long)major);
        return su_hint(err, "`jupyter nbconvert --to notebook --nbformat 4` converts it");
    }
    return true;
}

bool notebook_join(json_t *notebook)
{
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(notebook, "cells"), i, cell) {
        if (json_is_object(cell))
            join_cell(cell);
    }
    return json_is_object(notebook);
}

static void upgrade(json_t *notebook)
{
    json_t *cells = json_object_get(notebook, "cells");
    int64_t minor = su_json_int(notebook, "nbformat_minor", -1);
    bool is_old = minor >= 0 && minor < NOTEBOOK_MINOR;
    if (is_old)
        json_object_set_new(notebook, "nbformat_minor", json_integer(NOTEBOOK_MINOR));
    fill_ids(cells, is_old);
    notebook_join(notebook);
    drop_transient(notebook);
}

bool notebook_parse(struct su_str text, json_t **ret, struct su_err *err)
{
    if (text.len > NOTEBOOK_BYTES_MAX)
        return su_fail(err, SU_LIMIT, "notebook: %zu bytes, the limit is %d", text.len, NOTEBOOK_BYTES_MAX);
    if (text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
        text = (struct su_str){text.ptr + 3, text.len - 3};
    SU_AUTO_JSON json_t *notebook = NULL;
    if (!su_json_parse_deep(text, "notebook", NOTEBOOK_DEPTH_MAX, &notebook, err))
        return false;
    if (!check_version(notebook, err))
        return false;
    upgrade(notebook);
    if (!notebook_check(notebook, err))
        return false;
    *ret = su_take(notebook);
    return true;
}

/* ---- the check ---- */

struct key_rule {
    const char *key;
    bool is_required;
    bool (*check)(struct place *at, const json_t *value, struct su_err *err);
};

/* All keys of `object` by their rules; keys without a rule are refused when is_closed. */
static bool check_keys(struct place *at, const json_t *object, const struct key_rule *rules, bool is_closed,
                       struct su_err *err)
{
    for (const struct key_rule *rule = rules; rule->key; rule++) {
        const json_t *value = json_object_get(object, rule->key);
        if (value == NULL && rule->is_required)
            return wrong_at(at, rule->key, err, "missing");
        if (value == NULL || rule->check == NULL)
            continue;
        size_t before = place_push(at, rule->key);
        if (!rule->check(at, value, err))
            return false;
        place_pop(at, before);
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        const struct key_rule *rule = rules;
        while (rule->key && strcmp(rule->key, key) != 0)
            rule++;
        if (rule->key == NULL && is_closed)
            return wrong_at(at, key, err, "not a key that may stand here (own data belongs into metadata)");
    }
    return true;
}

static bool must_be_text(struct place *at, const json_t *value, struct su_err *err)
{
    return json_is_string(value) || wrong(at, err, "must be a string");
}

static bool must_be_object(struct place *at, const json_t *value, struct su_err *err)
{
    return json_is_object(value) || wrong(at, err, "must be an object");
}

static bool must_be_bool(struct place *at, const json_t *value, struct su_err *err)
{
    return json_is_boolean(value) || wrong(at, err, "must be true or false");
}

static bool must_be_multiline(struct place *at, const json_t *value, struct su_err *err)
{
    return json_is_string(value) || wrong(at, err, "must be a string or a list of strings");
}

static bool must_be_text_list(struct place *at, const json_t *value, struct su_err *err)
{
    return is_text_list(value) || wrong(at, err, "must be a list of strings");
}

static bool must_be_count(struct place *at, const json_t *value, struct su_err *err)
{
    bool is_fine = json_is_null(value) || (json_is_integer(value) && json_integer_value(value) >= 0);
    return is_fine || wrong(at, err, "must be a whole number from 0, or null");
}

static bool must_be_bundle(struct place *at, const json_t *value, struct su_err *err)
{
    if (!must_be_object(at, value, err))
        return false;
    const char *mime;
    json_t *data;
    json_object_foreach((json_t *)value, mime, data) {
        if (!notebook_mime_is_json(mime) && !json_is_string(data))
            return wrong_at(at, mime, err, "must be a string or a list of strings");
    }
    return true;
}

static bool must_be_attachments(struct place *at, const json_t *value, struct su_err *err)
{
    if (!must_be_object(at, value, err))
        return false;
    const char *name;
    json_t *bundle;
    json_object_foreach((json_t *)value, name, bundle) {
        size_t before = place_push(at, name);
        if (!must_be_bundle(at, bundle, err))
            return false;
        place_pop(at, before);
    }
    return true;
}

static bool must_be_tags(struct place *at, const json_t *value, struct su_err *err)
{
    if (!must_be_text_list(at, value, err))
        return false;
    SU_AUTO_JSON json_t *seen = json_object();
    size_t i;
    json_t *tag;
    json_array_foreach(value, i, tag) {
        const char *text = json_string_value(tag);
        if (text[0] == 0 || strchr(text, ','))
            return wrong(at, err, "a tag must not be empty or hold a comma");
        if (json_object_get(seen, text))
            return wrong(at, err, "the same tag twice");
        json_object_set_new(seen, text, json_true());
    }
    return true;
}

static bool must_be_scrolled(struct place *at, const json_t *value, struct su_err *err)
{
    bool is_auto = json_is_string(value) && strcmp(json_string_value(value), "auto") == 0;
    return is_auto || json_is_boolean(value) || wrong(at, err, "must be true, false or \"auto\"");
}

static bool must_be_cell_metadata(struct place *at, const json_t *value, struct su_err *err)
{
    static const struct key_rule rules[] = {
        {"tags", false, must_be_tags}, {"jupyter", false, must_be_object}, {"execution", false, must_be_object},
        {"name", false, must_be_text}, {"collapsed", false, must_be_bool}, {"scrolled", false, must_be_scrolled}, {0},
    };
    return must_be_object(at, value, err) && check_keys(at, value, rules, false, err);
}

static bool must_be_kernelspec(struct place *at, const json_t *value, struct su_err *err)
{
    static const struct key_rule rules[] = {{"name", true, must_be_text}, {"display_name", true, must_be_text}, {0}};
    return must_be_object(at, value, err) && check_keys(at, value, rules, false, err);
}

static bool must_be_language(struct place *at, const json_t *value, struct su_err *err)
{
    static const struct key_rule rules[] = {{"name", true, must_be_text}, {0}};
    return must_be_object(at, value, err) && check_keys(at, value, rules, false, err);
}

static bool must_be_root_metadata(struct place *at, const json_t *value, struct su_err *err)
{
    static const struct key_rule rules[] = {
        {"kernelspec", false, must_be_kernelspec}, {"language_info", false, must_be_language}, {0},
    };
    return must_be_object(at, value, err) && check_keys(at, value, rules, false, err);
}

/* The kinds of output and of cells: one row each. */
struct shape { const char *name; const struct key_rule *rules; };

static const struct key_rule stream_rules[] = {
    {"output_type", true, NULL}, {"name", true, must_be_text}, {"text", true, must_be_multiline}, {0},
};
static const struct key_rule display_rules[] = {
    {"output_type", true, NULL}, {"data", true, must_be_bundle}, {"metadata", true, must_be_object}, {0},
};
static const struct key_rule result_rules[] = {
    {"output_type", true, NULL}, {"data", true, must_be_bundle}, {"metadata", true, must_be_object},
    {"execution_count", true, must_be_count}, {0},
};
static const struct key_rule error_rules[] = {
    {"output_type", true, NULL}, {"ename", true, must_be_text}, {"evalue", true, must_be_text},
    {"traceback", true, must_be_text_list}, {0},
};
static const struct shape output_shapes[] = {
    {"stream", stream_rules},
    {"display_data", display_rules},
    {"execute_result", result_rules},
    {"error", error_rules},
    {0},
};

static const struct shape *shape_find(const struct shape *shapes, const json_t *name)
{
    for (; shapes->name; shapes++) {
        if (json_is_string(name) && strcmp(shapes->name, json_string_value(name)) == 0)
            return shapes;
    }
    return NULL;
}

/* One object of a family told apart by object[key]. */
static bool check_shape(struct place *at, const json_t *object, const char *key, const struct shape *shapes,
                        const char *kinds, struct su_err *err)
{
    if (!must_be_object(at, object, err))
        return false;
    const struct shape *shape = shape_find(shapes, json_object_get(object, key));
    if (shape == NULL)
        return wrong_at(at, key, err, kinds);
    return check_keys(at, object, shape->rules, true, err);
}

static bool must_be_outputs(struct place *at, const json_t *value, struct su_err *err)
{
    if (!json_is_array(value))
        return wrong(at, err, "must be a list");
    size_t i;
    json_t *output;
    json_array_foreach(value, i, output) {
        size_t before = place_push_index(at, i);
        if (!check_shape(at, output, "output_type", output_shapes,
                         "must be stream, display_data, execute_result or error", err))
            return false;
        place_pop(at, before);
    }
    return true;
}

static bool must_be_id(struct place *at, const json_t *value, struct su_err *err)
{
    return id_is_valid(value) || wrong(at, err, "must be 1 to 64 of A-Z a-z 0-9 _ -");
}

static const struct key_rule code_rules[] = {
    {"id", true, must_be_id},
    {"cell_type", true, NULL},
    {"metadata", true, must_be_cell_metadata},
    {"source", true, must_be_multiline},
    {"outputs", true, must_be_outputs},
    {"execution_count", true, must_be_count},
    {0},
};
static const struct key_rule text_rules[] = {
    {"id", true, must_be_id},
    {"cell_type", true, NULL},
    {"metadata", true, must_be_cell_metadata},
    {"source", true, must_be_multiline},
    {"attachments", false, must_be_attachments},
    {0},
};
static const struct shape cell_shapes[] = {{"code", code_rules}, {"markdown", text_rules}, {"raw", text_rules}, {0}};

static bool must_be_cells(struct place *at, const json_t *value, struct su_err *err)
{
    if (!json_is_array(value))
        return wrong(at, err, "must be a list of cells");
    if (json_array_size(value) > NOTEBOOK_CELLS_MAX)
        return su_fail_field(err, SU_LIMIT, at->text, "notebook: %zu cells, the limit is %d", json_array_size(value),
                             NOTEBOOK_CELLS_MAX);
    size_t i;
    json_t *cell;
    json_array_foreach(value, i, cell) {
        size_t before = place_push_index(at, i);
        if (!check_shape(at, cell, "cell_type", cell_shapes, "must be code, markdown or raw", err))
            return false;
        place_pop(at, before);
    }
    return true;
}

bool notebook_check(const json_t *notebook, struct su_err *err)
{
    static const struct key_rule rules[] = {
        {"nbformat", true, must_be_count}, {"nbformat_minor", true, must_be_count},
        {"metadata", true, must_be_root_metadata}, {"cells", true, must_be_cells}, {0},
    };
    struct place at = {0};
    return must_be_object(&at, notebook, err) && check_keys(&at, notebook, rules, true, err);
}

/* ---- small questions ---- */

bool notebook_cell_is_code(const json_t *cell)
{
    return strcmp(su_json_string(cell, "cell_type", ""), "code") == 0;
}

bool notebook_cell_has_tag(const json_t *cell, const char *tag)
{
    size_t i;
    json_t *each;
    json_array_foreach(json_object_get(json_object_get(cell, "metadata"), "tags"), i, each) {
        if (json_is_string(each) && strcmp(json_string_value(each), tag) == 0)
            return true;
    }
    return false;
}

int notebook_find_tag(const json_t *notebook, const char *tag)
{
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(notebook, "cells"), i, cell) {
        if (notebook_cell_has_tag(cell, tag))
            return (int)i;
    }
    return -1;
}

json_t *notebook_code_cell(struct su_str source, const char *tag)
{
    json_t *cell = json_pack("{s:s, s:n, s:{}, s:[], s:s%}", "cell_type", "code", "execution_count", "metadata",
                             "outputs", "source", source.ptr, source.len);
    su_assert(cell != NULL);
    give_id(cell, NULL);
    if (tag)
        json_object_set_new(json_object_get(cell, "metadata"), "tags", json_pack("[s]", tag));
    return cell;
}

bool notebook_check_kernel(const json_t *notebook, struct su_err *err)
{
    const json_t *metadata = json_object_get(notebook, "metadata");
    const json_t *spec = json_object_get(metadata, "kernelspec");
    const char *name = su_json_string(spec, "name", "python3");
    const char *language =
        su_json_string(spec, "language", su_json_string(json_object_get(metadata, "language_info"), "name", ""));
    bool is_python = strcmp(name, "python3") == 0 || strcmp(name, "python") == 0 || strcmp(language, "python") == 0;
    if (is_python)
        return true;
    su_fail_field(err, SU_INVALID, "/metadata/kernelspec/name",
                  "the notebook asks for the kernel \"%.80s\"; this server has \"python3\"", name);
    return su_hint(err, "choose a Python 3 kernel in the notebook and store it again");
}
