/* recipe: notebooks with a declared input.  Layer cli; main thread. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "cli/client.h"
#include "cli/groups.h"
#include "cli/upload.h"
#include "cli/output.h"
#include "cli/pages.h"
#include "cli/start.h"
#include "cli/transfer.h"
#include "cli/url.h"

enum { PATH_BYTES = 16 << 10, RECIPE_MAX = 16 << 20, SHOP_MAX = 4 << 20 };

static struct su_buf recipe_path(const char *name, const char *rest)
{
    struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/v1/recipes/");
    url_add_name(&path, name);
    su_buf_adds(&path, rest);
    return path;
}

/* ------------------------------------------------------------- ls, show */

static void add_row(struct output_table *table, const json_t *item)
{
    const json_t *fits = json_object_get(item, "fits");
    const char *summary = su_json_string(item, "summary", ""), *reason = su_json_string(item, "reason", "");
    output_table_add(table, su_json_string(item, "name", ""));
    output_table_add(table, su_json_string(item, "title", ""));
    output_table_add(table, !fits ? "" : json_is_true(fits) ? "yes" : "no");
    output_table_add(table, json_is_false(fits) && *reason ? reason : summary);
}

static int run_ls(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {.columns = 4, .titles = {"NAME", "TITLE", "FITS", "WHAT IT DOES"},
                                           .add_row = add_row, .none = "no recipes"};
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/v1/recipes");
    url_add_query(&path, "object", invocation_option(in, "object"));
    return pages_print(in, path.ptr, 0, &view, err) ? EXIT_DONE : COMMAND_FAILED;
}

static int run_show(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *recipe = NULL;
    SU_AUTO_BUF struct su_buf path = recipe_path(invocation_argument(in, 0), "");
    if (!invocation_client(in, &client, err) || !client_get_json(client, path.ptr, &recipe, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in)) {
        output_json(recipe);
        return EXIT_DONE;
    }
    SU_AUTO_JSON json_t *parameters = json_incref(json_object_get(recipe, "parameters"));
    json_object_del(recipe, "parameters");
    pages_print_facts(recipe);
    if (json_array_size(parameters)) {
        putchar('\n');
        output_parameters(parameters);
    }
    return EXIT_DONE;
}

/* ------------------------------------------------------------------ run */

static int run_run(struct invocation *in, struct su_err *err)
{
    struct client *client;
    const char *object = invocation_option(in, "object");
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_JSON json_t *accepted = NULL;
    SU_AUTO_BUF struct su_buf path = recipe_path(invocation_argument(in, 0), "/runs");
    if (!object) {
        su_fail(err, SU_INVALID, "recipe run: which object? say --object NAME");
        su_hint(err, "suricate ls lists the objects, suricate recipe ls --object NAME the recipes that fit one");
        return COMMAND_FAILED;
    }
    json_object_set_new(body, "object", su_json_text_or_null(object));
    if (!start_read_options(in, body, err) || !invocation_client(in, &client, err) ||
        !client_json(client, "POST", path.ptr, body, &accepted, err))
        return COMMAND_FAILED;
    return start_finish(in, accepted, err);
}

/* ------------------------------------------------------ export, add, rm */

static int run_export(struct invocation *in, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf path = recipe_path(invocation_argument(in, 0), "?format=ipynb");
    struct transfer_get get = {.path = path.ptr, .file = invocation_option(in, "output"), .size = -1};
    return transfer_get(in, &get, err) ? EXIT_DONE : COMMAND_FAILED;
}

/* The declaration in a recipe's notebook; borrowed from notebook. */
static bool find_declaration(const json_t *notebook, const char *what, const json_t **ret, struct su_err *err)
{
    const json_t *metadata = json_object_get(notebook, "metadata");
    const json_t *recipe = json_object_get(json_object_get(metadata, "suricate"), "recipe");
    if (!json_is_string(json_object_get(recipe, "name"))) {
        su_fail(err, SU_INVALID, "%s declares no recipe", what);
        return su_hint(err, "its metadata needs suricate.recipe with a name, a title and an input");
    }
    *ret = recipe;
    return true;
}

static bool is_url(const char *text)
{
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

static void hash_text(struct su_str text, char hex[static SU_SHA256_HEX])
{
    uint8_t digest[SU_SHA256_SIZE];
    su_sha256_of(text.ptr, text.len, digest);
    su_hex(digest, sizeof digest, hex);
}

/* The entry of a shop (a folder with an index.json) named so; its file is fetched and held against the index. */
static bool fetch_from_shop(const char *shop, const char *name, struct su_buf *ret, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(SHOP_MAX);
    SU_AUTO_JSON json_t *index = NULL;
    if (!client_fetch(shop, SHOP_MAX, &text, err) || !su_json_parse(su_buf_str(&text), shop, &index, err))
        return false;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(index, "recipes"), i, entry) {
        const char *file = su_json_string(entry, "file", "");
        if (strcmp(su_json_string(entry, "name", ""), name) != 0 || strchr(file, '/') || !*file)
            continue;
        char hex[SU_SHA256_HEX];
        SU_AUTO_FREE char *url = su_format("%.*s%s", (int)(transfer_base(shop) - shop), shop, file);
        if (!client_fetch(url, RECIPE_MAX, ret, err))
            return false;
        hash_text(su_buf_str(ret), hex);
        if (strcmp(hex, su_json_string(entry, "sha256", hex)) == 0)
            return true;
        su_buf_done(ret);
        return su_fail(err, SU_CONFLICT, "%s is not the file its index.json describes (SHA-256 differs)", url);
    }
    su_fail(err, SU_NOT_FOUND, "%s lists no recipe \"%s\"", shop, name);
    return su_hint(err, "without a name, recipe add prints what the shop has");
}

static int list_shop(struct invocation *in, const char *shop, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(SHOP_MAX);
    SU_AUTO_JSON json_t *index = NULL;
    if (!client_fetch(shop, SHOP_MAX, &text, err) || !su_json_parse(su_buf_str(&text), shop, &index, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(index);
    else
        pages_print_records(json_object_get(index, "recipes"));
    if (!invocation_is_quiet(in))
        fprintf(stderr, "add one of them with: suricate recipe add %s NAME\n", shop);
    return EXIT_DONE;
}

static bool read_recipe(const char *from, const char *name, struct su_buf *ret, struct su_err *err)
{
    if (!is_url(from))
        return su_file_read(from, RECIPE_MAX, ret, err);
    return name ? fetch_from_shop(from, name, ret, err) : client_fetch(from, RECIPE_MAX, ret, err);
}

static bool upload_recipe(struct invocation *in, struct su_str text, const char *name, json_t **ret, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf path = recipe_path(name, "");
    char temporary[] = "/tmp/suricate-recipe-XXXXXX";
    SU_AUTO_FD int fd = mkstemp(temporary);
    if (fd < 0)
        return su_fail_errno(err, errno, "%s", temporary);
    struct transfer_put put = {.file = temporary, .path = path.ptr, .type = "application/x-ipynb+json"};
    bool done = su_write_all(fd, text.ptr, text.len, err) && transfer_put(in, &put, ret, err);
    remove(temporary);
    return done;
}

static int run_add(struct invocation *in, struct su_err *err)
{
    const char *from = invocation_argument(in, 0), *chosen = invocation_argument(in, 1);
    bool is_shop = is_url(from) && su_str_ends(su_str_of(from), SU_STR("/index.json"));
    if (is_shop && !chosen)
        return list_shop(in, from, err);
    SU_AUTO_BUF struct su_buf text = SU_BUF(RECIPE_MAX);
    SU_AUTO_JSON json_t *notebook = NULL;
    SU_AUTO_JSON json_t *stored = NULL;
    const json_t *declaration = NULL;
    if (!read_recipe(from, is_shop ? chosen : NULL, &text, err) ||
        !su_json_parse_deep(su_buf_str(&text), from, 200, &notebook, err) ||
        !find_declaration(notebook, from, &declaration, err))
        return COMMAND_FAILED;
    const char *name = su_json_string(declaration, "name", "");
    if (!upload_recipe(in, su_buf_str(&text), name, &stored, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in) && stored)
        output_json(stored);
    else if (!invocation_is_quiet(in))
        printf("added recipe %s\n", name);
    return EXIT_DONE;
}

static int run_rm(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *nothing = NULL;
    SU_AUTO_BUF struct su_buf path = recipe_path(invocation_argument(in, 0), "");
    if (!invocation_client(in, &client, err) || !client_json(client, "DELETE", path.ptr, NULL, &nothing, err))
        return COMMAND_FAILED;
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- index */

static int is_notebook(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && su_str_ends(su_str_of(entry->d_name), SU_STR(".ipynb"));
}

static bool index_file(const char *folder, const char *file, json_t *entries, struct su_err *err)
{
    static const char *const kept[] = {"name", "title", "summary", "version", "author", "licence", "input"};
    char hex[SU_SHA256_HEX];
    SU_AUTO_BUF struct su_buf text = SU_BUF(RECIPE_MAX);
    SU_AUTO_JSON json_t *notebook = NULL;
    SU_AUTO_FREE char *path = su_format("%s/%s", folder, file);
    const json_t *declaration = NULL;
    if (!su_file_read(path, RECIPE_MAX, &text, err) ||
        !su_json_parse_deep(su_buf_str(&text), path, 200, &notebook, err) ||
        !find_declaration(notebook, path, &declaration, err))
        return false;
    json_t *entry = json_object();
    for (size_t i = 0; i < SU_COUNT(kept); i++)
        if (json_object_get(declaration, kept[i]))
            json_object_set(entry, kept[i], json_object_get(declaration, kept[i]));
    hash_text(su_buf_str(&text), hex);
    json_object_set_new(entry, "file", su_json_text_or_null(file));
    json_object_set_new(entry, "sha256", json_string(hex));
    json_array_append_new(entries, entry);
    return true;
}

static int run_index(struct invocation *in, struct su_err *err)
{
    const char *folder = invocation_argument(in, 0);
    struct dirent **files = NULL;
    int count = scandir(folder, &files, is_notebook, alphasort);
    if (count < 0) {
        su_fail_errno(err, errno, "%s", folder);
        return COMMAND_FAILED;
    }
    SU_AUTO_JSON json_t *index = json_object();
    json_t *entries = json_array();
    json_object_set_new(index, "recipes", entries);
    bool done = true;
    for (int i = 0; i < count; i++) {
        done = done && index_file(folder, files[i]->d_name, entries, err);
        free(files[i]);
    }
    free(files);
    SU_AUTO_FREE char *text = su_json_text_flags(index, JSON_INDENT(2));
    SU_AUTO_FREE char *content = su_format("%s\n", text);
    SU_AUTO_FREE char *path = su_format("%s/index.json", folder);
    if (!done || !su_file_replace(path, su_str_of(content), 0644, err))
        return COMMAND_FAILED;
    if (!invocation_is_quiet(in))
        printf("%s: %d recipes\n", path, count);
    return EXIT_DONE;
}

static const struct option_spec ls_options[] = {
    {.name = "object", .value = "NAME", .help = "say which fit this object, and why others do not"},
    {.name = NULL},
};
static const struct option_spec run_options[] = {
    {.name = "object", .value = "NAME", .help = "the object to run it on"},
    RUN_START_OPTIONS,
    {.name = NULL},
};
static const struct option_spec export_options[] = {
    {.name = "output", .letter = 'o', .value = "FILE", .help = "write to FILE (default: standard output)"},
    {.name = NULL},
};

const struct command recipe_commands[] = {
    {.name = "recipe ls", .summary = "list recipes, or those that fit an object",
     .example = "suricate recipe ls --object nfl/week1.csv", .options = ls_options, .run = run_ls},
    {.name = "recipe show", .arguments = "NAME", .summary = "show a recipe and its parameters",
     .arguments_min = 1, .arguments_max = 1, .run = run_show},
    {.name = "recipe run", .arguments = "NAME --object OBJECT", .summary = "run a recipe on an object",
     .details = "Exit status and output are those of suricate run. With --wait --json the finished run is printed, with its\n"
                "result.",
     .example = "suricate recipe run favourite-receiver --object nfl/week1.csv -p passer=P.Manning --wait",
     .options = run_options, .arguments_min = 1, .arguments_max = 1, .run = run_run},
    {.name = "recipe export", .arguments = "NAME", .summary = "fetch a recipe as a notebook file",
     .options = export_options, .arguments_min = 1, .arguments_max = 1, .run = run_export},
    {.name = "recipe add", .arguments = "FILE-or-URL [NAME]", .summary = "add a recipe from a file or an address",
     .details = "A recipe is a notebook that declares itself in its metadata. The address may be that of a notebook or of a\n"
                "shop's index.json: then NAME says which recipe, and without it the shop's recipes are listed.",
     .example = "suricate recipe add my-recipe.ipynb\nsuricate recipe add https://example.org/recipes/index.json outliers",
     .arguments_min = 1, .arguments_max = 2, .run = run_add},
    {.name = "recipe rm", .arguments = "NAME", .summary = "remove a recipe",
     .arguments_min = 1, .arguments_max = 1, .run = run_rm},
    {.name = "recipe index", .arguments = "DIR", .summary = "make a folder of recipes a shop: write its index.json",
     .arguments_min = 1, .arguments_max = 1, .run = run_index},
    {.name = NULL},
};
