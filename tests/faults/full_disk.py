"""As sitecustomize: no file grows beyond 200 KB, as if the disk were full (EFBIG for ENOSPC)."""

import resource
import signal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200 * 1024, resource.RLIM_INFINITY))
