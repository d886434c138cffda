"""sensing@overparam over several processes: `torchrun --nproc-per-node=K -m descent.sensing.sharded`, or one alone."""

import sys

from descent.lab.sharded import main

sys.exit(main())
