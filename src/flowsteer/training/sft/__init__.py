"""The cold start: supervised fine-tuning on played scripts, so that a small policy can speak before RL begins."""
