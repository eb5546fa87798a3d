/* Which server, and with which token.  Layer cli; main thread. */
#include "cli/connection.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "cli/client.h"

enum { SERVER_FILE_MAX = 64 << 10, TOKEN_MAX = 4096 };

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

char *connection_data_dir(const char *given)
{
    if (given && *given)
        return su_strdup(given);
    if (environment("SURICATE_DATA"))
        return su_strdup(environment("SURICATE_DATA"));
    if (geteuid() == 0)
        return su_strdup("/var/lib/suricate/data");
    const char *home = environment("HOME");
    return su_format("%s/.local/share/suricate", home ? home : "");
}

static bool read_url(const char *dir, char **ret, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(SERVER_FILE_MAX);
    SU_AUTO_JSON json_t *server = NULL;
    SU_AUTO_FREE char *path = su_format("%s/server.json", dir);
    struct su_err ignored;
    if (!su_file_read(path, SERVER_FILE_MAX, &text, &ignored)) {
        su_fail(err, SU_UNAVAILABLE, "no server is running for %s", dir);
        return su_hint(err, "start one with: suricate serve --data %s; or set SURICATE_URL and SURICATE_TOKEN", dir);
    }
    if (!su_json_parse(su_buf_str(&text), "server.json", &server, err))
        return su_prefix(err, "%s", path);
    const char *url = su_json_string(server, "url", NULL);
    if (!url)
        return su_fail(err, SU_INVALID, "%s holds no \"url\"", path);
    *ret = su_strdup(url);
    return true;
}

/* The owner's token, or NULL when this user may not read it. */
static char *read_token(const char *dir)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(TOKEN_MAX);
    SU_AUTO_FREE char *path = su_format("%s/owner.token", dir);
    struct su_err ignored;
    if (!su_file_read(path, TOKEN_MAX, &text, &ignored))
        return NULL;
    struct su_str token = su_str_trim(su_buf_str(&text));
    return token.len ? su_strndup(token.ptr, token.len) : NULL;
}

bool connection_open(const char *url, const char *data, struct client **ret, struct su_err *err)
{
    SU_AUTO_FREE char *dir = connection_data_dir(data);
    SU_AUTO_FREE char *found = NULL;
    SU_AUTO_FREE char *token = NULL;
    if (!url && !data)
        url = environment("SURICATE_URL");
    if (!url) {
        if (!read_url(dir, &found, err))
            return false;
        token = read_token(dir);
    } else if (data) {
        token = read_token(dir);
    }
    if (!data && environment("SURICATE_TOKEN")) {
        free(token);
        token = su_strdup(environment("SURICATE_TOKEN"));
    }
    bool done = client_open(url ? url : found, token, ret, err);
    if (token)
        explicit_bzero(token, strlen(token));
    return done;
}
