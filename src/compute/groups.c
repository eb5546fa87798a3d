/* See groups.h.  Layer compute. */
#include "compute/groups.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const controllers[] = {"memory", "pids", "cpu", "cpuacct"};

static bool has_word(const char *list, const char *word) {
    size_t len = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += len)
        if ((at == list || at[-1] == ',' || at[-1] == ' ') && (!at[len] || strchr(", \n", at[len]))) return true;
    return false;
}

/* This process's group in a hierarchy; controller "" for v2.  False when there is none. */
static bool own_group(const char *controller, char *ret, size_t size) {
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[1024];
    bool is_found = false;
    while (file && !is_found && fgets(line, sizeof line, file)) {
        char *names = strchr(line, ':');
        char *path = names ? strchr(names + 1, ':') : NULL;
        if (!path) continue;
        *path++ = 0;
        path[strcspn(path, "\n")] = 0;
        is_found = *controller ? has_word(names + 1, controller) : !names[1];
        if (is_found) snprintf(ret, size, "%s", path);
    }
    if (file) fclose(file);
    return is_found;
}

/* Mount point of a hierarchy and the part of it that is mounted there. */
static bool find_mount(const char *controller, char *ret_point, char *ret_root, size_t size) {
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[2048];
    bool is_found = false;
    while (file && !is_found && fgets(line, sizeof line, file)) {
        char root[512], point[512], *rest = strstr(line, " - ");
        if (!rest || sscanf(line, "%*s %*s %*s %511s %511s", root, point) != 2) continue;
        char type[32], source[256], options[512];
        if (sscanf(rest, " - %31s %255s %511s", type, source, options) != 3) continue;
        is_found = *controller ? strcmp(type, "cgroup") == 0 && has_word(options, controller) : strcmp(type, "cgroup2") == 0;
        if (is_found) snprintf(ret_point, size, "%s", point);
        if (is_found) snprintf(ret_root, size, "%s", root);
    }
    if (file) fclose(file);
    return is_found;
}

/* Folder of our own group as seen here. */
static bool own_folder(const char *controller, char *ret, size_t size) {
    char group[512], point[512], root[512];
    if (!own_group(controller, group, sizeof group) || !find_mount(controller, point, root, sizeof point)) return false;
    size_t root_len = strcmp(root, "/") == 0 ? 0 : strlen(root);
    const char *below = strncmp(group, root, root_len) == 0 ? group + root_len : "";
    snprintf(ret, size, "%s%s", point, strcmp(below, "/") == 0 ? "" : below);
    return true;
}

static bool write_text(const char *folder, const char *file, const char *text) {
    char path[800];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return ok;
}

static json_t *open_v1(const char *name) {
    json_t *groups = json_pack("{s:i}", "version", 1);
    for (size_t i = 0; i < SU_COUNT(controllers); i++) {
        char folder[600], path[800];
        if (!own_folder(controllers[i], folder, sizeof folder)) continue;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (mkdir(path, 0755) < 0 && errno != EEXIST) continue;
        if (access(path, W_OK) == 0) json_object_set_new(groups, controllers[i], json_string(path));
    }
    if (json_object_get(groups, "memory")) return groups;
    groups_close(groups);
    json_decref(groups);
    return NULL;
}

/* v2 lets a group hold processes or share out controllers, not both: we step into a leaf first. */
static bool share_out(const char *folder) {
    static const char wanted[] = "+memory +pids +cpu";
    char leaf[800], pid[16];
    if (write_text(folder, "cgroup.subtree_control", wanted)) return true;
    snprintf(leaf, sizeof leaf, "%s/suricate-server", folder);
    if (mkdir(leaf, 0755) < 0 && errno != EEXIST) return false;
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    return write_text(leaf, "cgroup.procs", pid) && write_text(folder, "cgroup.subtree_control", wanted);
}

static json_t *open_v2(const char *name) {
    char folder[600], path[800];
    if (!own_folder("", folder, sizeof folder) || !share_out(folder)) return NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if ((mkdir(path, 0755) < 0 && errno != EEXIST) || !write_text(path, "cgroup.subtree_control", "+memory +pids +cpu")) return NULL;
    return json_pack("{s:i, s:s, s:s, s:s}", "version", 2, "memory", path, "pids", path, "cpu", path);
}

json_t *groups_open(const char *name) {
    json_t *groups = open_v1(name);
    if (!groups) groups = open_v2(name);
    return groups ? groups : json_object();
}

void groups_close(const json_t *groups) {
    for (size_t i = 0; i < SU_COUNT(controllers); i++) {
        const char *path = su_json_string(groups, controllers[i], "");
        if (*path) rmdir(path);
    }
}
