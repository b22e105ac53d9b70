"""Why a policy learned what it learned: read from its run folder alone, without the tensor library."""
