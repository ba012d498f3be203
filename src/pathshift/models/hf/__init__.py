"""transformers models on this machine. Importing anything in here loads torch.

Telemetry of the libraries is switched off here, before the first of them is imported.
"""

import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
