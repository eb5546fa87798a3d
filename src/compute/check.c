/* Does the sandbox hold here, and if not, what is missing?  Layer compute; any thread. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fs.h"
#include "compute/compute.h"
#include "compute/sandbox.h"
#include "compute/launch.h"

/* Run a command inside (or, without a sandbox, beside) and wait. */
static bool try(struct compute *compute, const char *const *command, struct su_err *err) {
    const struct places *places = &compute->places;
    struct su_err ignored;
    char *folder SU_AUTO_FREE = su_format("%s/check-%d-%lx", places->runtime, (int)getpid(), (unsigned long)pthread_self());
    json_t *argv = json_array();
    if (compute->is_unsafe)
        for (const char *const *word = command; *word; word++) json_array_append_new(argv, json_string(*word));
    else {
        json_decref(argv);
        argv = sandbox_argv(places, SANDBOX_CHECK, NULL, false, command);
    }
    json_t *spec = json_pack("{s:o, s:[s], s:i}", "argv", argv, "env", "PATH=/usr/bin:/bin", "uid", (int)places->uid);
    bool ok = launch_prepare(folder, spec, err) && launch_keeper(places, "run", folder, err);
    su_dir_remove(folder, &ignored);
    return ok;
}

static bool explain_namespaces(struct su_err *err) {
    char text[300];
    snprintf(text, sizeof text, "%s", err->message);
    su_fail(err, SU_UNAVAILABLE, "the sandbox cannot be made on this machine: %s", text);
    return su_hint(err, "kernels need unprivileged user namespaces: sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, "
                        "no AppArmor restriction; or start with --unsafe-no-sandbox if you trust every notebook");
}

static bool check_environment(struct compute *compute, struct su_err *err) {
    const struct places *places = &compute->places;
    if (places->python && access(places->python, X_OK) == 0) return true;
    if (places->python) su_fail(err, SU_UNAVAILABLE, "kernels have no Python: %s is not there", places->python);
    else su_fail(err, SU_UNAVAILABLE, "kernels have no Python environment");
    return su_hint(err, "make one with packaging/environment, or name one with --environment DIR");
}

static bool check(struct compute *compute, struct su_err *err) {
    const struct places *places = &compute->places;
    static const char *const nothing[] = {"/usr/bin/true", NULL};
    const char *const import[] = {places->python, "-P", "-c", "import ipykernel.kernelapp", NULL};
    if (!check_environment(compute, err)) return false;
    if (!compute->is_unsafe && !places->bwrap) {
        su_fail(err, SU_UNAVAILABLE, "bubblewrap is not installed: there is no bwrap in /usr/bin");
        return su_hint(err, "install the package bubblewrap, or start with --unsafe-no-sandbox if you trust every notebook");
    }
    if (!compute->is_unsafe && !try(compute, nothing, err)) return explain_namespaces(err);
    if (try(compute, import, err)) return true;
    su_prefix(err, "the environment %s has no working ipykernel", places->environment);
    err->code = SU_UNAVAILABLE;
    return su_hint(err, "its folder must be readable by user %u and hold the package ipykernel; packaging/environment makes such a one", places->uid);
}

bool compute_check(struct compute *compute, struct su_err *err) {
    {
        SU_LOCKED(&compute->lock);
        if (compute->verdict == VERDICT_HOLDS) return true;
    }
    bool is_sound = check(compute, err);
    SU_LOCKED(&compute->lock);
    compute->verdict = is_sound ? VERDICT_HOLDS : VERDICT_FAILS;
    return is_sound;
}
