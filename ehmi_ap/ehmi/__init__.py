"""What is Danish health about it: the ehmiSBDH envelope, its signals, and the delivery status reports."""
