/* See sandbox.h.  Layer compute. */
#include "compute/sandbox.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add(json_t *argv, const char *first, const char *second, const char *third) {
    json_array_append_new(argv, json_string(first));
    if (second) json_array_append_new(argv, json_string(second));
    if (third) json_array_append_new(argv, json_string(third));
}

static void add_words(json_t *argv, const char *const *words) {
    for (; *words; words++) add(argv, *words, NULL, NULL);
}

static void show(json_t *argv, const char *path) {
    if (access(path, F_OK) == 0) add(argv, "--ro-bind", path, path);
}

/* The system's programs and libraries and the few files of /etc they read. */
static void add_system(json_t *argv, const struct places *places, bool network) {
    static const char *const links[] = {"bin", "sbin", "lib", "lib64", "lib32"};
    static const char *const etc[] = {"/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime", "/etc/mime.types"};
    static const char *const for_network[] = {"/etc/resolv.conf", "/etc/ssl/certs", "/etc/services"};
    static const char *const small[] = {"passwd", "group", "hosts", "nsswitch.conf"};
    add(argv, "--ro-bind", "/usr", "/usr");
    for (size_t i = 0; i < SU_COUNT(links); i++) {
        char *path SU_AUTO_FREE = su_format("/%s", links[i]);
        char *target SU_AUTO_FREE = su_format("usr/%s", links[i]);
        char buffer[8];
        if (readlink(path, buffer, sizeof buffer) > 0) add(argv, "--symlink", target, path);
        else show(argv, path);
    }
    for (size_t i = 0; i < SU_COUNT(etc); i++) show(argv, etc[i]);
    for (size_t i = 0; network && i < SU_COUNT(for_network); i++) show(argv, for_network[i]);
    for (size_t i = 0; i < SU_COUNT(small); i++) {
        char *from SU_AUTO_FREE = su_format("%s/etc/%s", places->lib, small[i]);
        char *to SU_AUTO_FREE = su_format("/etc/%s", small[i]);
        add(argv, "--ro-bind", from, to);
    }
    show(argv, "/sys/devices/system/cpu"); /* how many cores: OpenMP, BLAS and joblib ask; no more than /proc/cpuinfo tells */
    if (places->environment) add(argv, "--ro-bind", places->environment, places->environment);
}

static void add_own(json_t *argv, const struct places *places, enum sandbox_use use, const char *own_folder) {
    char *api SU_AUTO_FREE = su_format("%s/api", places->runtime);
    char *kernels SU_AUTO_FREE = su_format("%s/kernels", places->runtime);
    add(argv, "--ro-bind", places->lib, "/opt/suricate/lib");
    add(argv, "--ro-bind", api, "/run/suricate");
    if (use == SANDBOX_ZYGOTE) {
        add(argv, "--bind", kernels, "/run/kernels");
        add(argv, "--bind", own_folder, "/run/zygote");
        add(argv, "--dir", "/run/kernel", NULL);
    } else if (use == SANDBOX_KERNEL) {
        add(argv, "--bind", own_folder, "/run/kernel");
        add(argv, "--dir", "/run/kernels", NULL);
    }
}

static const char *const variables[][2] = {
    {"HOME", "/home/kernel"},
    {"USER", "kernel"},
    {"LANG", "C.UTF-8"},
    {"PYTHONPATH", "/opt/suricate/lib"},
    {"PYTHONNOUSERSITE", "1"},
    {"PYTHONDONTWRITEBYTECODE", "1"},
    {"SURICATE_SOCKET", "/run/suricate/api.sock"},
    {"SURICATE_TOKEN_FILE", "/run/kernel/token"},
    {"MPLBACKEND", "module://matplotlib_inline.backend_inline"},
    {"MPLCONFIGDIR", "/home/kernel/.config/matplotlib"},
    /* threads made at import would forbid forking: BLAS runs in one (threadpoolctl raises it) */
    {"OPENBLAS_NUM_THREADS", "1"},
    /* waiting OpenMP threads that spin make a small fit 10 to 30 times slower on a busy machine */
    {"OMP_WAIT_POLICY", "PASSIVE"},
    {"JE_ARROW_MALLOC_CONF", "background_thread:false"},
    {"MALLOC_ARENA_MAX", "4"},
};

static char *search_path(const struct places *places) {
    return su_format("%s/bin:/usr/local/bin:/usr/bin:/bin", places->environment ? places->environment : "/usr");
}

static void add_environment(json_t *argv, const struct places *places) {
    char *path SU_AUTO_FREE = search_path(places);
    add(argv, "--clearenv", NULL, NULL);
    add(argv, "--setenv", "PATH", path);
    for (size_t i = 0; i < SU_COUNT(variables); i++) add(argv, "--setenv", variables[i][0], variables[i][1]);
}

json_t *sandbox_argv(const struct places *places, enum sandbox_use use, const char *own_folder, bool network, const char *const *command) {
    static const char *const walls[] = {"--unshare-all", "--unshare-user", "--new-session", "--uid",  "1000",
                                        "--gid",         "1000",           "--hostname",    "kernel", NULL};
    static const char *const furniture[] = {"--proc",  "/proc",    "--dev",   "/dev",     "--size",  "67108864",
                                            "--tmpfs", "/tmp",     "--size",  "67108864", "--tmpfs", "/home/kernel",
                                            "--size",  "67108864", "--tmpfs", "/dev/shm", NULL};
    static const char *const kernel_only[] = {"--as-pid-1", "--die-with-parent", NULL};
    json_t *argv = json_array();
    add(argv, places->bwrap ? places->bwrap : "/usr/bin/bwrap", NULL, NULL);
    add_words(argv, walls);
    if (network) add(argv, "--share-net", NULL, NULL);
    add(argv, "--cap-drop", "ALL", NULL);
    if (use == SANDBOX_KERNEL) add_words(argv, kernel_only);

    add_environment(argv, places);
    add_system(argv, places, network);
    add_words(argv, furniture);
    add_own(argv, places, use, own_folder);
    add(argv, "--remount-ro", "/dev", NULL);
    add(argv, "--remount-ro", "/", NULL);
    add(argv, "--chdir", use == SANDBOX_KERNEL ? "/home/kernel" : "/", "--");
    add_words(argv, command);
    return argv;
}

static void add_variables(json_t *argv, const json_t *environment) {
    size_t i;
    json_t *text;
    json_array_foreach((json_t *)(uintptr_t)environment, i, text) {
        struct su_str name, value;
        if (!su_str_cut(su_str_of(json_string_value(text)), '=', &name, &value)) continue;
        char *key SU_AUTO_FREE = su_strndup(name.ptr, name.len);
        add(argv, "--setenv", key, value.ptr);
    }
}

json_t *sandbox_command_argv(const struct places *places, const char *path, const json_t *environment, const json_t *words) {
    static const char *const walls[] = {"--unshare-all", "--unshare-user", "--new-session", "--die-with-parent", "--uid", "1000", "--gid", "1000",
                                        "--hostname", "command", "--cap-drop", "ALL", "--clearenv", NULL};
    static const char *const furniture[] = {"--proc", "/proc", "--dev", "/dev", "--size", "67108864", "--tmpfs", "/tmp", NULL};
    static const char *const own[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8"};
    json_t *argv = json_array();
    json_t *settings SU_AUTO_JSON = json_array();
    for (size_t i = 0; i < SU_COUNT(own); i++) json_array_append_new(settings, json_string(own[i]));
    json_array_extend(settings, (json_t *)(uintptr_t)environment);
    add(argv, places->bwrap, NULL, NULL);
    add_words(argv, walls);
    add_variables(argv, settings);
    add_system(argv, places, false);
    add_words(argv, furniture);
    add(argv, "--ro-bind", path, path);
    add(argv, "--remount-ro", "/dev", NULL);
    add(argv, "--remount-ro", "/", NULL);
    add(argv, "--chdir", "/tmp", "--");
    json_array_extend(argv, (json_t *)(uintptr_t)words);
    return argv;
}

json_t *sandbox_plain_env(const struct places *places, const char *own_folder, const char *home) {
    static const char *const overridden[] = {"HOME", "PYTHONPATH", "SURICATE_SOCKET", "SURICATE_TOKEN_FILE", "MPLCONFIGDIR"};
    json_t *env = json_array();
    char *path SU_AUTO_FREE = search_path(places);
    json_array_append_new(env, json_sprintf("PATH=%s", path));
    for (size_t i = 0; i < SU_COUNT(variables); i++) {
        bool is_own = false;
        for (size_t j = 0; j < SU_COUNT(overridden); j++) is_own |= strcmp(variables[i][0], overridden[j]) == 0;
        if (!is_own) json_array_append_new(env, json_sprintf("%s=%s", variables[i][0], variables[i][1]));
    }
    json_array_append_new(env, json_sprintf("HOME=%s", home));
    json_array_append_new(env, json_sprintf("MPLCONFIGDIR=%s/.config/matplotlib", home));
    json_array_append_new(env, json_sprintf("PYTHONPATH=%s", places->lib));
    json_array_append_new(env, json_sprintf("SURICATE_LIB=%s", places->lib));
    json_array_append_new(env, json_sprintf("SURICATE_KERNEL_DIR=%s", own_folder));
    json_array_append_new(env, json_sprintf("SURICATE_SOCKET=%s/api/api.sock", places->runtime));
    json_array_append_new(env, json_sprintf("SURICATE_TOKEN_FILE=%s/token", own_folder));
    return env;
}
