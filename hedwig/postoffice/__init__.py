"""postoffice: takes messages over HTTP, makes them durable in the spool, and feeds hints about them to the queue.

In the order a message passes: server (waitress) → app (bottle: the three addresses of the interface) →
clients (who may) → forms and letter, or batch (what was handed in) → submission (checks) → accept (registered, I1) →
feeder and window (hints, I2). `loop` starts and ends all of it.
"""
