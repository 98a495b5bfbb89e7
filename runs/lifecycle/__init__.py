"""The only writer of the statuses of runs, tasks and data loads. `moves` holds the compare-and-set moves and who may
call them is here: `starting` (request, retry), `working` (claim, beat, checkpoint, finish, fail), `ending` (cancel,
settle, complete, close). Lock order: source → run → task → batch; nothing here touches the network."""
