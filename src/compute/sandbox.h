/* What a kernel may see: the command line of its sandbox.  Layer compute; pure (looks only whether files exist).
 *
 * bubblewrap makes the outer walls: a read-only system, no processes, network or
 * environment of the host. The zygote's children put inner walls into it (their own
 * namespaces), and every kernel locks itself in with the system call filter. */
#pragma once
#include "compute/places.h"

enum sandbox_use { SANDBOX_ZYGOTE, SANDBOX_KERNEL, SANDBOX_CHECK };

/* Array of texts to exec (new reference).  own_folder is bound as /run/zygote (a zygote) or
 * /run/kernel (a kernel); network shares the host's; command is what runs inside. */
json_t *sandbox_argv(const struct places *places, enum sandbox_use use, const char *own_folder, bool network, const char *const *command);
/* The same for an action's command: of the system what a program needs, its own file, an empty home; no socket of the
 * server's.  environment: "NAME=value" texts; words: what runs inside, at last the program and its arguments. */
json_t *sandbox_command_argv(const struct places *places, const char *path, const json_t *environment, const json_t *words);
/* Environment ("NAME=value" texts) of a kernel without a sandbox. */
json_t *sandbox_plain_env(const struct places *places, const char *own_folder, const char *home);
