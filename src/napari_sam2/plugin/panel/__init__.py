"""The controls of the dock widget, a module for each section; they show and ask, and do nothing by themselves."""
