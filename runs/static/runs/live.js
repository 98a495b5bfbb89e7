// Live refresh of a page that is open: how often, how fresh, and what is new.
"use strict";
