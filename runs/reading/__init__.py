"""What pages, API and commands read of runs: bands, failures, timelines, chains, comparisons. Never writes."""
