/* Starting a keeper with its kernel, warm or for a run at once.  Layer compute; any thread. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/random.h"
#include "compute/compute.h"
#include "compute/filter.h"
#include "compute/keeper.h"
#include "compute/sandbox.h"
#include "compute/launch.h"

enum { WARM_LEASE_S = 60 };

static json_t *limits_json(const struct kernel_limits *limits) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "memory_bytes", (json_int_t)limits->memory_bytes, "scratch_bytes",
                     (json_int_t)limits->scratch_bytes, "output_bytes", (json_int_t)limits->output_bytes, "processes",
                     (json_int_t)limits->processes, "time_s", (json_int_t)limits->time_s);
}

static json_t *base_spec(struct compute *compute, const char *name, const struct kernel_limits *limits, const char *tenant) {
    const struct places *places = &compute->places;
    char *kernel_dir SU_AUTO_FREE = places_runtime(places, "kernels", name);
    char *socket SU_AUTO_FREE = places_runtime(places, "keepers", name);
    json_t *spec = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:O, s:o}", "name", name, "tenant", tenant, "kernel_dir", kernel_dir,
        "socket", socket, "init", places->init, "inner_dir", "/run/kernel", "uid", (int)places->uid, "warm_lease_s", WARM_LEASE_S,
        "lease_s", (int)compute->lease_s, "cgroup", compute->groups, "limits", limits_json(limits));
    json_object_set_new(spec, "kernels_dir", json_sprintf("%s/run/kernels", places->data));
    json_object_set_new(spec, "filters", json_pack("[s, s]", FILTER_LIST, FILTER_ARGUMENTS));
    return spec;
}

static void add_command(struct compute *compute, json_t *spec, bool network) {
    const struct places *places = &compute->places;
    const char *folder = su_json_string(spec, "kernel_dir", "");
    if (compute->is_unsafe) {
        char *home SU_AUTO_FREE = su_format("%s/home", folder);
        char *program SU_AUTO_FREE = su_format("%s/suricate/_kernel.py", places->lib);
        json_object_set_new(spec, "mode", json_string("plain"));
        json_object_set_new(spec, "inner_dir", json_string(folder));
        json_object_set_new(spec, "argv", json_pack("[s, s, s]", places->python, "-P", program));
        json_object_set_new(spec, "env", sandbox_plain_env(places, folder, home));
        return;
    }
    const char *const command[] = {places->python, "-P", "/opt/suricate/lib/suricate/_kernel.py", NULL};
    json_object_set_new(spec, "mode", json_string("bwrap"));
    json_object_set_new(spec, "argv", sandbox_argv(places, SANDBOX_KERNEL, folder, network, command));
    json_object_set_new(spec, "env", json_array());
}

bool start_keeper(struct compute *compute, const char *tenant, const struct kernel_limits *limits, bool network,
                  const char *zygote, struct warm *ret, struct su_err *err)
{
    char id[SU_ID_SIZE];
    struct su_err ignored;
    struct warm warm = {.fd = -1};
    su_id(id);
    snprintf(warm.name, sizeof warm.name, "k%s", id + SU_ID_SIZE - 1 - 14);
    json_t *spec = base_spec(compute, warm.name, limits, tenant);
    if (zygote) {
        json_object_set_new(spec, "mode", json_string("zygote"));
        json_object_set_new(spec, "zygote", json_string(zygote));
    } else add_command(compute, spec, network);
    char *folder SU_AUTO_FREE = places_folder(&compute->places, false, warm.name);
    if (!launch_prepare(folder, spec, err) || !launch_keeper(&compute->places, "keep", folder, err) || !keeper_dial(folder, &warm.fd, err)) {
        su_dir_remove(folder, &ignored);
        return su_prefix(err, "starting a kernel");
    }
    *ret = warm;
    return true;
}
