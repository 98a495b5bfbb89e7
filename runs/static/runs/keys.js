// Keys: everything they do can be done without them, and they can be switched off.
"use strict";
